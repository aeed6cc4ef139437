"""VGG19 with batch normalisation, which is folded into the convolutions after training.

A VGG19 hardly learns from a small data set without batch normalisation (Ioffe and Szegedy, 2015).
Once training has ended, each normalisation is a fixed scale and shift per channel, which the layer
before it can apply itself. The checkpoint therefore holds a plain VGG19.
"""

from typing import Any

import jax
from flax import nnx

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, VGG19

NORMALISED_LAYERS = CONV_LAYERS + ("linear1", "linear2")  # All but the output layer.
MOMENTUM = 0.95  # The running statistics average over the last few dozen batches.
# VGG19 itself drops half, with which a narrow head learns too slowly from a large data set.
DROPOUT_RATE = 0.2


class VGG19BatchNorm(VGG19):
    """A VGG19 with an `nnx.BatchNorm` after every layer but the output.

    It takes the arguments of VGG19. `model.train()` normalises by the statistics of the batch and
    updates the running ones, and `model.eval()` normalises by the running ones. The activation of a
    layer `conv*` is its normalised pre-activation, as in the folded network.
    """

    def __init__(self, num_classes: int, *, rngs: nnx.Rngs, **options: Any) -> None:
        super().__init__(num_classes, rngs=rngs, **options)
        for name in NORMALISED_LAYERS:
            channels = getattr(self, name).bias[...].size
            setattr(self, f"norm_{name}", nnx.BatchNorm(channels, momentum=MOMENTUM, rngs=rngs))
        self.dropout1.rate = self.dropout2.rate = DROPOUT_RATE

    def apply_layer(self, name: str, x: jax.Array) -> jax.Array:
        """Applies one layer by its name, and its normalisation."""
        x = super().apply_layer(name, x)
        if name not in NORMALISED_LAYERS:
            return x
        # The statistics, and so the result, are float32; the next layer may expect a narrower type.
        return getattr(self, f"norm_{name}")(x).astype(x.dtype)


def fold_batch_norms(model: VGG19BatchNorm) -> dict[str, dict[str, Any]]:
    """Folds the batch norms of a model into the layers before them.

    Returns:
      {layer: {"kernel", "bias"}} of the plain VGG19 that computes what `model` computes in
      evaluation.
    """
    output = {"kernel": model.output.kernel[...], "bias": model.output.bias[...]}
    return {name: _fold_layer(model, name) for name in NORMALISED_LAYERS} | {"output": output}


def _fold_layer(model, name):
    layer, norm = getattr(model, name), getattr(model, f"norm_{name}")
    scale = norm.scale[...] * jax.lax.rsqrt(norm.var[...] + norm.epsilon)
    return {
        "kernel": layer.kernel[...] * scale,
        "bias": (layer.bias[...] - norm.mean[...]) * scale + norm.bias[...],
    }
