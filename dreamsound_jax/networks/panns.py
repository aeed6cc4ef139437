"""PANNs' convolutional networks: an immutable value, and the geometry of its layers.

Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition",
2019: `Cnn10` and `Cnn14`, whose classes do not exclude each other. Batch norms are folded into the
convolutions before them, and dropout does nothing in a network that is not trained.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import DTypeLike

from dreamsound_jax.networks.convolution import convolve, prepare_kernel
from dreamsound_jax.networks.network import Architecture, Layer
from dreamsound_jax.networks.pooling import average_pool
from dreamsound_jax.spectral.interpolate import nearest_indices
from dreamsound_jax.system.errors import UserError

BANDS = 64  # Of PANNs' own networks.
CONVOLUTIONS = 2  # In each block.
HEAD = ("pooled", "linear1", "reluC_1", "output")
INPUT = "input"  # The weights that undo the card's standardisation, and apply the first batch norm.


def architecture(
    num_classes: int,
    *,
    channels: Sequence[int],
    pools: int,
    multi_label: bool = True,
    bands: int = BANDS,
) -> Architecture:
    """Returns the layers of one of PANNs' networks.

    Args:
      num_classes: features of the layer `output`.
      channels: of each block of two convolutions.
      pools: how many blocks, from the first on, end in an average pooling.
      multi_label: whether several classes can be present at once, as in PANNs' own networks.
      bands: how many mel bands it hears.

    Raises:
      UserError: there are no such networks.

    Example:
      >>> architecture(527, channels=[64, 128, 256, 512], pools=4).layer("relu3_2")
      Layer(name='relu3_2', channels=256, stride=(4, 4), reach=17, pools=())
    """
    _check_size(channels, pools, multi_label, bands)
    stages, stride, reach = [], 1, 0
    for block, size in enumerate(channels, 1):
        layers = []
        for number in range(1, CONVOLUTIONS + 1):
            reach += stride
            seen = size, (stride, stride), reach
            layers += [Layer(f"{kind}{block}_{number}", *seen) for kind in ("conv", "relu")]
        if block <= pools:
            reach, stride = reach + stride, 2 * stride
            layers.append(Layer(f"pool{block}", size, (stride, stride), reach))
        stages.append(tuple(layers))
    sizes = [channels[-1]] * (len(HEAD) - 1) + [num_classes]
    head = tuple(Layer(name, size, (stride, stride), None) for name, size in zip(HEAD, sizes))
    return Architecture((*stages, head), HEAD[-1], multi_label=multi_label, bands=bands)


def _check_size(channels, pools, multi_label, bands):
    # JSON's true and false are instances of int, too.
    if not channels or not all(type(size) is int and size > 0 for size in channels):
        raise UserError(f"channels must be a list of whole numbers above 0, got {channels!r}")
    if not (type(pools) is int and 0 <= pools <= len(channels)):
        raise UserError(f"pools must be a whole number from 0 to {len(channels)}, got {pools!r}")
    if not isinstance(multi_label, bool):
        raise UserError(f"multi_label must be true or false, got {multi_label!r}")
    if not (type(bands) is int and bands > 0):
        raise UserError(f"bands must be a whole number above 0, got {bands!r}")


@struct.dataclass
class PannsNetwork:
    """One of PANNs' networks with its weights; see `network.Network`.

    Attributes:
      weights: {layer: {name: array}}, as `weight_shapes` shapes them.
      forms: {convolution: its kernel in the forms that are fastest on this device, or None}.
      architecture: its layers; static.
    """

    weights: Mapping[str, Mapping[str, jax.Array]]
    forms: Mapping[str, Any]
    architecture: Architecture = struct.field(pytree_node=False)

    def activations(self, spectrogram: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        """Returns {layer: activation} of one clip; see `network.Network`."""
        # A pyramid level has fewer bands: each is a copy of the band that `resize_nearest` takes.
        all_bands = len(self.weights[INPUT]["scale"])
        bands = nearest_indices(all_bands, spectrogram.shape[0])
        scale, shift = (self.weights[INPUT][name][bands, None] for name in ("scale", "shift"))
        x = spectrogram.astype(scale.dtype) * scale + shift
        return self._continue_from(x[..., None], layers, first=0)

    def activations_after(
        self, layer: str, activation: jax.Array, layers: tuple[str, ...]
    ) -> dict[str, jax.Array]:
        """Returns {layer: activation} of deeper layers; see `network.Network`."""
        first = self.architecture.layers.index(layer) + 1
        return self._continue_from(activation, layers, first=first)

    def prepare(self, shape: tuple[int, int], layers: tuple[str, ...]) -> "PannsNetwork":
        """Returns the network itself, which is as fast as it can be; see `network.Network`."""
        return self

    def _continue_from(self, x, layers, *, first):
        """Computes the activations of `layers` from the input of the layer with index `first`."""
        names, activations = self.architecture.layers, {}
        last = names.index(self.architecture.deepest(layers).name)
        for name in names[first : last + 1]:
            x = self._apply_layer(name, x)
            if name in layers:
                activations[name] = x
        return activations

    def _apply_layer(self, name, x):
        if name.startswith("relu"):
            return jax.nn.relu(x)
        if name.startswith("conv"):
            arrays = self.weights[name]
            return convolve(x[None], arrays["kernel"], self.forms[name])[0] + arrays["bias"]
        if name == "pooled":
            return _pool_clip(x)
        if name.startswith("pool"):
            return average_pool(x[None])[0]
        return x @ self.weights[name]["kernel"] + self.weights[name]["bias"]


def _pool_clip(x):
    """Adds the maximum and the mean over time of the mean over mel bands: (channels,)."""
    frames = x.mean(axis=0)
    return frames.max(axis=0) + frames.mean(axis=0)


def weight_shapes(
    num_classes: int,
    *,
    channels: Sequence[int],
    pools: int,
    multi_label: bool = True,
    bands: int = BANDS,
) -> dict[str, dict[str, jax.ShapeDtypeStruct]]:
    """Returns {layer: {name: array}} of the weights, as `jax.ShapeDtypeStruct`s.

    The layer "input" has a scale and a shift for each mel band, and all others a kernel and a bias.
    """
    del pools, multi_label
    shapes: dict[str, dict[str, tuple[int, ...]]]
    shapes, before = {INPUT: {"scale": (bands,), "shift": (bands,)}}, 1
    for block, size in enumerate(channels, 1):
        for number in range(1, CONVOLUTIONS + 1):
            kernel, before = (3, 3, before, size), size
            shapes[f"conv{block}_{number}"] = {"kernel": kernel, "bias": (size,)}
    shapes["linear1"] = {"kernel": (before, before), "bias": (before,)}
    shapes["output"] = {"kernel": (before, num_classes), "bias": (num_classes,)}
    return {
        layer: {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in arrays.items()}
        for layer, arrays in shapes.items()
    }


def build_network(
    weights: Mapping[str, Any],
    num_classes: int,
    *,
    channels: Sequence[int],
    pools: int,
    multi_label: bool = True,
    bands: int = BANDS,
    dtype: DTypeLike = jnp.float32,
) -> PannsNetwork:
    """Returns the network of these weights.

    Args:
      weights: arrays, as `weight_shapes` shapes them.
      num_classes: how many classes the layer `output` has.
      channels: of each block of two convolutions.
      pools: how many blocks end in an average pooling.
      multi_label: whether several classes can be present at once.
      bands: how many mel bands it hears.
      dtype: of the weights, and so of the network's arithmetic.
    """
    described = architecture(
        num_classes, channels=channels, pools=pools, multi_label=multi_label, bands=bands
    )
    weights = jax.tree.map(lambda array: np.asarray(array).astype(dtype), dict(weights))
    forms = {
        name: prepare_kernel(arrays["kernel"], rows=bands // described.layer(name).stride[0])
        for name, arrays in weights.items()
        if name.startswith("conv")
    }
    return PannsNetwork(jax.device_put(weights), jax.device_put(forms), described)
