"""The VGG of musicnn, which tags music: a network to dream with, as an immutable value.

Pons and Serra, "musicnn: Pre-trained Convolutional Neural Networks for Music Audio Tagging", 2019.
Its authors trained it on patches of 187 frames of 96 mel bands. A longer spectrogram is heard as
patches that overlap, one every 64 frames, whose logits are averaged; a shorter one as if it were
repeated. One with fewer mel bands, such as a small level of the pyramid, is enlarged to 96 bands
for the layers from `pool5` on, which need them.
"""

import functools
import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import DTypeLike

from dreamsound_jax.networks.convolution import convolve, prepare_kernel
from dreamsound_jax.networks.cpu.convolution import Forms
from dreamsound_jax.networks.network import Architecture, Layer
from dreamsound_jax.spectral.interpolate import resize_nearest
from dreamsound_jax.system.errors import nearest_or_fail

BANDS, PATCH, CHANNELS = 96, 187, 128
_LAST_POOLS = (((2, 2), (2, 2)),) * 2 + (((4, 4), (4, 4)),)
# Windows and strides of the poolings, in (mel bands, frames). Incomplete windows are left out. The
# package of musicnn builds the same for both; the network that was trained on the Million Song
# Dataset had others, as the graph in its checkpoint shows.
POOLS = {
    "mtt": (((1, 4), (2, 2)), ((2, 2), (2, 2)), *_LAST_POOLS),
    "msd": (((1, 4), (1, 4)), ((4, 1), (4, 1)), *_LAST_POOLS),
}
CLASS_LAYER, LAST_POOL = "output", "pool5"
KINDS = ("conv", "relu", "norm", "pool")
LAYERS = tuple(f"{kind}{number}" for number in range(1, 6) for kind in KINDS) + (CLASS_LAYER,)
# `output` reads so many neighbouring frames of `pool5` at a time.
READ_AT_ONCE = 2


def architecture(num_classes: int, *, pools: str = "mtt") -> Architecture:
    """Returns the layers; `pools` is a name of `POOLS`.

    Example:
      >>> architecture(50).layer("relu3")
      Layer(name='relu3', channels=128, stride=(4, 4), reach=12, pools=((4, 2), (2, 2)))
    """
    stages, stride, reach = [], (1, 1), 0
    passed: tuple[tuple[int, int], ...] = ()
    for number, (window, steps) in enumerate(_find_pools(pools), start=1):
        reach += stride[1]
        seen = CHANNELS, stride, reach, passed
        stage = [Layer(f"{kind}{number}", *seen) for kind in KINDS[:-1]]
        reach += (window[1] - 1) * stride[1]
        passed += ((window[1], steps[1]),)
        stride = stride[0] * steps[0], stride[1] * steps[1]
        # What `pool5` needs of the mel bands it always has, because they are enlarged.
        bands = 1 if f"pool{number}" == LAST_POOL else stride[0]
        stages.append((*stage, Layer(f"pool{number}", CHANNELS, (bands, stride[1]), reach, passed)))
    head = Layer(CLASS_LAYER, num_classes, (1, PATCH), None)
    return Architecture(
        (*stages, (head,)), CLASS_LAYER, multi_label=True, bands=BANDS, repeats_whole=False
    )


def _find_pools(name):
    return POOLS[nearest_or_fail("such pooling of musicnn:", name, POOLS)]


@struct.dataclass
class MusicnnNetwork:
    """A VGG of musicnn with its weights; see `network.Network`.

    Attributes:
      weights: {layer: {"kernel", "bias"}}, as `weight_shapes` shapes them.
      forms: {layer: what `prepare_kernel` gave for its kernel}.
      architecture: its layers; static.
      pools: windows and strides of its poolings; static.
    """

    weights: Mapping[str, Mapping[str, jax.Array]]
    forms: Mapping[str, Forms | None]
    architecture: Architecture = struct.field(pytree_node=False)
    pools: tuple = struct.field(pytree_node=False)

    def activations(self, spectrogram: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        """Returns {layer: activation} of one clip; see `network.Network`."""
        needed = max(map(LAYERS.index, layers)) >= LAYERS.index(LAST_POOL)
        if needed and spectrogram.shape[0] < BANDS:
            spectrogram = resize_nearest(spectrogram, (BANDS, spectrogram.shape[1]))
        first = self.weights["input"]
        x = spectrogram.astype(first["kernel"].dtype) * first["kernel"] + first["bias"]
        return self._continue(x[..., None], layers, LAYERS)

    def activations_after(
        self, layer: str, activation: jax.Array, layers: tuple[str, ...]
    ) -> dict[str, jax.Array]:
        """Returns {layer: activation} of deeper layers; see `network.Network`."""
        return self._continue(activation, layers, LAYERS[LAYERS.index(layer) + 1 :])

    def prepare(self, shape: tuple[int, int], layers: tuple[str, ...]) -> "MusicnnNetwork":
        """Returns the network as it is."""
        del shape, layers
        return self

    def _continue(self, x, layers, names):
        found = {}
        last = max(map(LAYERS.index, layers))
        for name in names:
            if LAYERS.index(name) > last:
                break
            x = self._apply(name, x)
            if name in layers:
                found[name] = x
        return found

    def _apply(self, name, x):
        if name == CLASS_LAYER:
            return _read_patches(x, **self.weights[name])
        kind, number = name[:-1], int(name[-1])
        if kind == "conv":
            convolved = convolve(x[None], self.weights[name]["kernel"], self.forms[name])[0]
            return convolved + self.weights[name]["bias"]
        if kind == "relu":
            return jax.nn.relu(x)
        if kind == "norm":
            return x * self.weights[name]["kernel"] + self.weights[name]["bias"]
        return max_pool(x, *self.pools[number - 1])


def max_pool(x: jax.Array, window: tuple[int, int], steps: tuple[int, int]) -> jax.Array:
    """Returns the largest cell of each whole window of (rows, columns, channels).

    Comparing slices is differentiated without a scatter.
    """
    ends = [size - side + 1 for size, side in zip(x.shape, window)]
    if min(ends) < 1:
        return jnp.zeros((max(ends[0], 0), max(ends[1], 0), x.shape[2]), x.dtype)
    offsets = itertools.product(*map(range, window))
    cells = (x[r : r + ends[0] : steps[0], c : c + ends[1] : steps[1]] for r, c in offsets)
    return functools.reduce(jnp.maximum, cells)


def _read_patches(x, kernel, bias):
    """Returns the mean logits (classes,) over all patches of `pool5`, (1, columns, channels)."""
    count = x.shape[1] - READ_AT_ONCE + 1
    patches = jnp.stack([x[0, start : start + count] for start in range(READ_AT_ONCE)], axis=1)
    return patches.reshape(count, -1).mean(axis=0) @ kernel + bias


def weight_shapes(num_classes: int, *, pools: str = "mtt") -> dict[str, Any]:
    """Returns the weights, {layer: {"kernel", "bias"}}, as `jax.ShapeDtypeStruct`s.

    `input` and the layers `norm1` to `norm5` have scales in place of a kernel: of all cells, and of
    each channel. The poolings have no weights.
    """
    del pools
    shapes: dict[str, tuple] = {"input": (1,)}
    for number in range(1, 6):
        shapes[f"conv{number}"] = (3, 3, CHANNELS if number > 1 else 1, CHANNELS)
        shapes[f"norm{number}"] = (CHANNELS,)
    shapes[CLASS_LAYER] = (READ_AT_ONCE * CHANNELS, num_classes)
    return {
        name: {
            "kernel": jax.ShapeDtypeStruct(shape, np.float32),
            "bias": jax.ShapeDtypeStruct(shape[-1:], np.float32),
        }
        for name, shape in shapes.items()
    }


def build_network(
    weights: Mapping[str, Any],
    num_classes: int,
    *,
    dtype: DTypeLike = jnp.float32,
    pools: str = "mtt",
) -> MusicnnNetwork:
    """Returns the network of these weights.

    Args:
      weights: {layer: {"kernel", "bias"}}, arrays.
      num_classes: how many tags the layer `output` has.
      dtype: of the weights, and so of the network's arithmetic.
      pools: a name of `POOLS`.
    """
    kept = jax.tree.map(lambda array: array.astype(dtype), weights)
    forms = {
        name: jax.device_put(prepare_kernel(np.asarray(layer["kernel"])))
        for name, layer in kept.items()
        if name.startswith("conv")
    }
    layers = architecture(num_classes, pools=pools)
    return MusicnnNetwork(jax.device_put(kept), forms, layers, _find_pools(pools))
