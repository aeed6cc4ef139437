"""VGG19 with batch normalisation while it trains, folded away afterwards.

VGG19 from scratch on a small data set hardly trains without it. Once the statistics stand still,
a normalisation is a scale and a shift of each channel, which the convolution before it can do
itself: what is shipped, and dreamed with, is a plain VGG19.

Ioffe and Szegedy, "Batch Normalization", 2015.
"""

import jax
from flax import nnx

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, VGG19

NORMALISED = CONV_LAYERS + ("linear1", "linear2")  # all but the last
MOMENTUM = 0.95  # of the running statistics: they follow the last few dozen batches
DROPOUT = 0.2  # VGG19 drops half; a narrow head on a large data set learns too slowly so


class VGG19BatchNorm(VGG19):
    """VGG19 with an `nnx.BatchNorm` after every layer but the last; takes what VGG19 takes.

    `model.train()` normalises by the batch and updates the running statistics; `model.eval()`
    normalises by those. A layer named `conv*` is the normalised pre-activation, as in the folded
    network.
    """

    def __init__(self, num_classes, *, rngs, **options):
        super().__init__(num_classes, rngs=rngs, **options)
        for name in NORMALISED:
            channels = getattr(self, name).bias[...].size
            setattr(self, _norm(name), nnx.BatchNorm(channels, momentum=MOMENTUM, rngs=rngs))
        self.dropout1.rate = self.dropout2.rate = DROPOUT

    def apply_layer(self, name, x):
        x = super().apply_layer(name, x)
        # Its statistics are float32, and so is what it gives; the next layer may be narrower.
        return getattr(self, _norm(name))(x).astype(x.dtype) if name in NORMALISED else x


def fold(model):
    """The weights of the plain VGG19 that computes what `model`, a VGG19BatchNorm in eval, does.

    Returns {layer: {"kernel", "bias"}}, for the 16 convolutions and the three linear layers.
    """
    output = {"kernel": model.output.kernel[...], "bias": model.output.bias[...]}
    return {name: _folded(model, name) for name in NORMALISED} | {"output": output}


def _folded(model, name):
    layer, norm = getattr(model, name), getattr(model, _norm(name))
    gain = norm.scale[...] * jax.lax.rsqrt(norm.var[...] + norm.epsilon)
    return {
        "kernel": layer.kernel[...] * gain,
        "bias": (layer.bias[...] - norm.mean[...]) * gain + norm.bias[...],
    }


def _norm(name):
    return f"norm_{name}"
