"""Networks with batch normalisation, which is folded into the layers after training.

A VGG19 hardly learns from a small data set without batch normalisation (Ioffe and Szegedy, 2015).
Once training has ended, each normalisation is a fixed scale and shift per channel, which the layer
before it can apply itself. The checkpoint therefore holds a plain network.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from dreamsound_jax.networks import panns
from dreamsound_jax.networks.pooling import average_pool
from dreamsound_jax.networks.vgg19 import CONV_LAYERS, LINEAR_LAYERS, VGG19, Convolution, Linear

NORMALISED_LAYERS = CONV_LAYERS + ("linear1", "linear2")  # All but the output layer.
MOMENTUM = 0.95  # The running statistics average over the last few dozen batches.
# VGG19 itself drops half, with which a narrow head learns too slowly from a large data set.
DROPOUT_RATE = 0.2
Weights = dict[str, dict[str, Any]]


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


class PannsBatchNorm(nnx.Module):
    """One of PANNs' networks, with an `nnx.BatchNorm` after every convolution.

    It takes the arguments of `panns.architecture`, and is called as `VGG19BatchNorm` is.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        channels: Sequence[int],
        pools: int,
        multi_label: bool = False,
        bands: int = panns.BANDS,
        rngs: nnx.Rngs,
    ) -> None:
        del multi_label  # It says how the classes are read.
        self.blocks, self.pools, self.bands, before = len(channels), pools, bands, 1
        for name, size in _name_convolutions(channels):
            setattr(self, name, Convolution(before, size, dtype=jnp.float32, rngs=rngs))
            setattr(self, f"norm_{name}", nnx.BatchNorm(size, momentum=MOMENTUM, rngs=rngs))
            before = size
        self.linear1 = Linear(before, before, dtype=jnp.float32, rngs=rngs)
        self.output = Linear(before, num_classes, dtype=jnp.float32, rngs=rngs)
        self.dropout = nnx.Dropout(DROPOUT_RATE, rngs=rngs)

    def __call__(self, spectrogram: jax.Array) -> dict[str, jax.Array]:
        """Computes {"output": (batch, classes)} of standardised spectrograms."""
        x = spectrogram[..., None].astype(self.linear1.kernel[...].dtype)
        for block in range(1, self.blocks + 1):
            for number in range(1, panns.CONVOLUTIONS + 1):
                x = self._convolve(f"conv{block}_{number}", x)
            x = self.dropout(average_pool(x) if block <= self.pools else x)
        frames = x.mean(1)
        x = self.dropout(frames.max(1) + frames.mean(1))
        return {"output": self.output(self.dropout(jax.nn.relu(self.linear1(x))))}

    def _convolve(self, name, x):
        x = getattr(self, name)(x)
        return jax.nn.relu(getattr(self, f"norm_{name}")(x).astype(x.dtype))


def _name_convolutions(channels):
    """Returns (name, channels) of each convolution."""
    numbers = range(1, panns.CONVOLUTIONS + 1)
    return [
        (f"conv{block}_{number}", size)
        for block, size in enumerate(channels, 1)
        for number in numbers
    ]


def fold_batch_norms(model: nnx.Module) -> Weights:
    """Folds the batch norms of a model into the layers before them.

    Returns:
      {layer: {name: array}} of the plain network that computes what `model` computes in evaluation.
      A plain VGG19 is such a network itself.
    """
    if isinstance(model, VGG19BatchNorm):
        return {name: _fold_layer(model, name) for name in NORMALISED_LAYERS} | {
            "output": _copy_layer(model.output)
        }
    if isinstance(model, VGG19):  # It has none.
        return {name: _copy_layer(getattr(model, name)) for name in CONV_LAYERS + LINEAR_LAYERS}
    assert isinstance(model, PannsBatchNorm), "only batch norms can be folded"
    names = [name for name, _ in _name_convolutions(range(model.blocks))]
    as_it_is = {"scale": jnp.ones(model.bands), "shift": jnp.zeros(model.bands)}
    head = {name: _copy_layer(getattr(model, name)) for name in ("linear1", "output")}
    return {panns.INPUT: as_it_is} | {name: _fold_layer(model, name) for name in names} | head


def _copy_layer(layer):
    return {"kernel": layer.kernel[...], "bias": layer.bias[...]}


def _fold_layer(model, name):
    layer, norm = getattr(model, name), getattr(model, f"norm_{name}")
    scale = norm.scale[...] * jax.lax.rsqrt(norm.var[...] + norm.epsilon)
    return {
        "kernel": layer.kernel[...] * scale,
        "bias": (layer.bias[...] - norm.mean[...]) * scale + norm.bias[...],
    }


TRAINABLE: dict[str, Callable[..., nnx.Module]] = {"vgg19": VGG19BatchNorm, "panns": PannsBatchNorm}
"""{architecture: the module that is trained}, by the names that cards give them."""
