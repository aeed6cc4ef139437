"""VGG19 with one input channel, as a Flax module: it classifies mel spectrograms.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
configuration E, as torchvision lays it out (adaptive pooling to 7 x 7 before the head).
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from dreamsound_jax.networks.convolution import convolve, prepare_kernel
from dreamsound_jax.networks.pooling import adaptive_average_pool, max_pool

# How many convolutions each stage has, and their channels.
CONVOLUTIONS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}
HIDDEN = 4096
POOLED = 7
DROPOUT = 0.5

CONV_LAYERS = tuple(f"conv{s}_{k + 1}" for s, count in CONVOLUTIONS.items() for k in range(count))
LINEAR_LAYERS = ("linear1", "linear2", "output")
HEAD = (
    ("avgpool",)
    + ("linear1", "reluC_1", "dropout1")
    + ("linear2", "reluC_2", "dropout2")
    + ("output",)
)


def _stage_layers(stage):
    pairs = ((f"conv{stage}_{k + 1}", f"relu{stage}_{k + 1}") for k in range(CONVOLUTIONS[stage]))
    return tuple(name for pair in pairs for name in pair) + (f"mp{stage}",)


LAYERS = sum((_stage_layers(stage) for stage in CONVOLUTIONS), ()) + HEAD
"""The 45 layers, shallow to deep: conv1_1, relu1_1, ... mp5, avgpool, linear1, ... output."""


def deepest(layers: Iterable[str]) -> str:
    """Returns the one of `layers`, names from LAYERS, that comes last in the network."""
    return max(layers, key=LAYERS.index)


class Convolution(nnx.Module):
    """A 3 x 3 convolution with bias; `kernel` is (3, 3, channels in, channels out)."""

    def __init__(
        self, channels_in: int, channels_out: int, *, dtype: DTypeLike, rngs: nnx.Rngs
    ) -> None:
        shape = (3, 3, channels_in, channels_out)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape, dtype))
        self.bias = nnx.Param(jnp.zeros(channels_out, dtype))
        self.forms = nnx.Cache(None)

    def __call__(self, x: jax.Array) -> jax.Array:
        return convolve(x, self.kernel[...], self.forms.get_value()) + self.bias[...]


class Linear(nnx.Module):
    """A fully connected layer; `kernel` is (features in, features out)."""

    def __init__(
        self, features_in: int, features_out: int, *, dtype: DTypeLike, rngs: nnx.Rngs
    ) -> None:
        shape = (features_in, features_out)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape, dtype))
        self.bias = nnx.Param(jnp.zeros(features_out, dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...] + self.bias[...]


class VGG19(nnx.Module):
    """The network. Called on a batch of spectrograms, it returns the activations asked for.

    Args:
      num_classes: features of the layer `output`.
      width: multiplies the channels of every layer; 1.0 is VGG19.
      hidden: features of `linear1` and `linear2`; by default 4096 * width.
      dtype: of the weights, and so of all arithmetic.
      rngs: `nnx.Rngs` for the initial weights and, in training, for dropout.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        width: float = 1.0,
        hidden: int | None = None,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        channels = 1
        for name in CONV_LAYERS:
            wider = round(CHANNELS[int(name[4])] * width)
            setattr(self, name, Convolution(channels, wider, dtype=dtype, rngs=rngs))
            channels = wider
        hidden = hidden or round(HIDDEN * width)
        self.linear1 = Linear(POOLED * POOLED * channels, hidden, dtype=dtype, rngs=rngs)
        self.linear2 = Linear(hidden, hidden, dtype=dtype, rngs=rngs)
        self.output = Linear(hidden, num_classes, dtype=dtype, rngs=rngs)
        self.dropout1 = nnx.Dropout(DROPOUT, rngs=rngs)
        self.dropout2 = nnx.Dropout(DROPOUT, rngs=rngs)

    def __call__(
        self, spectrogram: jax.Array, layers: tuple[str, ...] = ("output",), *, pools: bool = True
    ) -> dict[str, jax.Array]:
        """Computes the activations of `layers`, and nothing deeper.

        Args:
          spectrogram: standardised mel dB, (batch, mel bands, frames).
          layers: names from LAYERS.
          pools: whether `avgpool` pools; without it, `linear1` takes the cells as they are.

        Returns:
          {layer: activation}, (batch, height, width, channels) up to `avgpool`, and (batch,
          features) from `linear1` on. `conv*` are true pre-activations: the reference's in-place
          ReLU overwrote them with what follows.
        """
        first = getattr(self, CONV_LAYERS[0])
        x = spectrogram[..., None].astype(first.kernel[...].dtype)
        return self.continue_from(x, layers, pools=pools)

    def continue_from(
        self,
        x: jax.Array,
        layers: tuple[str, ...],
        *,
        after: str | None = None,
        pools: bool = True,
    ) -> dict[str, jax.Array]:
        """Computes the activations of `layers` from `x`, the activation of the layer `after`.

        With `after` None, `x` is the input. `pools` as in `__call__`.
        """
        first = LAYERS.index(after) + 1 if after else 0
        activations = {}
        for name in LAYERS[first : LAYERS.index(deepest(layers)) + 1]:
            x = x if name == "avgpool" and not pools else self.apply_layer(name, x)
            if name in layers:
                activations[name] = x
        return activations

    def prepare_kernels(self) -> None:
        """Keeps each convolution's kernel in the forms that are fastest on this device.

        They are made anew only here, so the kernels must not change afterwards.
        """
        for layer in CONV_LAYERS:
            convolution = getattr(self, layer)
            forms = prepare_kernel(np.asarray(convolution.kernel[...]))
            convolution.forms = nnx.Cache(jax.device_put(forms))

    def apply_layer(self, name: str, x: jax.Array) -> jax.Array:
        """Applies one layer by its name; subclasses that train add to it here."""
        if name.startswith("relu"):
            return jax.nn.relu(x)
        if name.startswith("mp"):
            return max_pool(x)
        if name == "avgpool":
            return adaptive_average_pool(x, POOLED)
        if name == "linear1":
            x = x.reshape(x.shape[0], -1)
        return getattr(self, name)(x)
