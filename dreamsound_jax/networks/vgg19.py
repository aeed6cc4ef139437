"""VGG19 with one input channel: the network that looks at mel spectrograms, and its 45 names.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
configuration E, as torchvision lays it out (adaptive pooling to 7 x 7 before the head).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.networks.cpu.convolution import convolve, forms_of, rounding

CONVOLUTIONS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}  # how many in each stage
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


def stage_of(layer):
    """The layers of the stage that `layer` is in, shallow to deep; the head is a stage, too."""
    stages = [*map(_stage_layers, CONVOLUTIONS), HEAD]
    return next(stage for stage in stages if layer in stage)


def deepest(layers):
    """The one of `layers` (names from LAYERS) that comes last in the network."""
    return max(layers, key=LAYERS.index)


def smallest_side(layer):
    """The fewest mel bands, or frames, that reach `layer`: each pooling before it halves them."""
    poolings = [name for name in LAYERS[: LAYERS.index(layer) + 1] if name.startswith("mp")]
    return 2 ** len(poolings)


class Convolution(nnx.Module):
    """A 3 x 3 convolution with bias; `kernel` is (3, 3, channels in, channels out)."""

    def __init__(self, channels_in, channels_out, *, dtype, rngs):
        shape = (3, 3, channels_in, channels_out)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape, dtype))
        self.bias = nnx.Param(jnp.zeros(channels_out, dtype))
        self.forms = nnx.Cache(None)

    def __call__(self, x):
        return convolve(x, self.kernel[...], self.forms.get_value()) + self.bias[...]


class Linear(nnx.Module):
    """A fully connected layer; `kernel` is (features in, features out)."""

    def __init__(self, features_in, features_out, *, dtype, rngs):
        shape = (features_in, features_out)
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape, dtype))
        self.bias = nnx.Param(jnp.zeros(features_out, dtype))

    def __call__(self, x):
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

    def __init__(self, num_classes, *, width=1.0, hidden=None, dtype=jnp.float32, rngs):
        channels = 1
        for name in CONV_LAYERS:
            wider = round(CHANNELS[int(name[4])] * width)
            setattr(self, name, Convolution(channels, wider, dtype=dtype, rngs=rngs))
            channels = wider
        hidden = hidden or round(HIDDEN * width)
        self.linear1 = Linear(POOLED * POOLED * channels, hidden, dtype=dtype, rngs=rngs)
        self.linear2 = Linear(hidden, hidden, dtype=dtype, rngs=rngs)
        self.output = Linear(hidden, num_classes, dtype=dtype, rngs=rngs)
        self.pools = True  # or `linear1` does, see `pool_in_linear1`
        self.dropout1 = nnx.Dropout(DROPOUT, rngs=rngs)
        self.dropout2 = nnx.Dropout(DROPOUT, rngs=rngs)

    def __call__(self, spectrogram, layers=("output",)):
        """Computes the activations of `layers`, and nothing past the deepest of them.

        Args:
          spectrogram: standardised mel dB, (batch, mel bands, frames).
          layers: names from LAYERS.

        Returns:
          {layer: activation}, (batch, height, width, channels) up to `avgpool`, and (batch,
          features) from `linear1` on. `conv*` are true pre-activations: the reference's in-place
          ReLU showed what comes after it.
        """
        x = spectrogram[..., None].astype(self.conv1_1.kernel[...].dtype)
        return self.go_on(x, layers)

    def go_on(self, x, layers, *, after=None):
        """The activations of `layers`, of `x`, that of the layer `after`; None is the input."""
        first = LAYERS.index(after) + 1 if after else 0
        activations = {}
        for name in LAYERS[first : LAYERS.index(deepest(layers)) + 1]:
            x = self.apply_layer(name, x)
            if name in layers:
                activations[name] = x
        return activations

    def keep_forms(self):
        """Has each convolution keep the `Forms` of its kernel, for as long as that stays the same.

        Together they are nine times as large as the kernels.
        """
        for layer in CONV_LAYERS:
            convolution = getattr(self, layer)
            forms = forms_of(np.asarray(convolution.kernel[...]))
            convolution.forms = nnx.Cache(jax.device_put(forms))

    def pool_in_linear1(self, rows, columns):
        """Has `linear1` take maps of so many cells as they are: it is linear, as `avgpool` is.

        With fewer than the 49 cells of `avgpool` its kernel is smaller, and reading it is what
        takes the head long, for one clip.
        """
        kernel = self.linear1.kernel[...]
        weights = jnp.asarray(np.kron(_cell_weights(rows), _cell_weights(columns)), kernel.dtype)
        merged = jnp.matmul(weights.T, kernel.reshape(len(weights), -1), precision="highest")
        self.linear1.kernel = nnx.Param(merged.reshape(-1, kernel.shape[1]))
        self.pools = False

    def apply_layer(self, name, x):
        """One layer by its name; subclasses that train add to it here."""
        if name.startswith("relu"):
            return jax.nn.relu(x)
        if name.startswith("mp"):
            return max_pool(x)
        if name == "avgpool":
            return adaptive_average_pool(x) if self.pools else x
        if name == "linear1":
            x = x.reshape(x.shape[0], -1)
        return getattr(self, name)(x)


def max_pool(x):
    """2 x 2 maximum, stride 2, an odd last row or column left out: (batch, h, w, c) halved.

    Of equal cells the first, row by row, gets the whole gradient, as in PyTorch: a spectrogram has
    flat floors, so ties are common. Cells that are apart by rounding alone count as equal.
    Comparing slices is faster on CPU than `reduce_window`, and free of its scatter, which is not
    deterministic on GPU. With the gradient written by hand, as one kernel, a pooling there and back
    compiles in half the time, and takes 1.7 to 4 times less of it.
    """
    height, width = x.shape[1:3]
    return _largest(x[:, : height // 2 * 2, : width // 2 * 2])


@jax.custom_vjp
def _largest(x):
    return _largest_and_first(x)[0]


def _largest_and_first(x):
    """The largest of 2 x 2 cells, and which is the first so large: 0 to 3, row by row."""
    cells = [x[:, row::2, column::2] for row, column in np.ndindex(2, 2)]
    largest = functools.reduce(jnp.maximum, cells)
    least = largest - rounding(largest)
    first = 3
    for place in (2, 1, 0):
        first = jnp.where(cells[place] >= least, place, first)
    return largest, first.astype(jnp.int8)


def _to_first(first, gradient):
    batch, height, width, channels = gradient.shape
    first, gradient = (jnp.expand_dims(x, (2, 4)) for x in (first, gradient))
    places = np.arange(4, dtype=np.int8).reshape(2, 1, 2, 1)
    cells = jnp.where(first == places, gradient, 0)
    return (cells.reshape(batch, 2 * height, 2 * width, channels),)


_largest.defvjp(_largest_and_first, _to_first)


def adaptive_average_pool(x):
    """Means over a 7 x 7 grid of cells, by PyTorch's rule: (batch, h, w, c) -> (batch, 7, 7, c).

    Cell i covers rows floor(i h / 7) to ceil((i + 1) h / 7), so cells overlap, and a map of fewer
    than 7 rows is enlarged.
    """
    rows, columns = (jnp.asarray(_cell_weights(side), x.dtype) for side in x.shape[1:3])
    return jnp.einsum("ih,nhwc,jw->nijc", rows, x, columns)


@functools.cache
def _cell_weights(side):
    weights = np.zeros((POOLED, side))
    for cell in range(POOLED):
        start, stop = cell * side // POOLED, -(-(cell + 1) * side // POOLED)
        weights[cell, start:stop] = 1 / (stop - start)
    return weights
