"""VGG19 as a network to dream with: an immutable value, and the geometry of its layers."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, struct
from jax.typing import DTypeLike

from dreamsound_jax.networks.network import Architecture, Layer
from dreamsound_jax.networks.pooling import cell_weights
from dreamsound_jax.networks.vgg19 import (
    CHANNELS,
    CONVOLUTIONS,
    HEAD,
    HIDDEN,
    LAYERS,
    POOLED,
    VGG19,
    deepest,
)
from dreamsound_jax.system.errors import UserError

CLASS_LAYER = "output"
WIDTHS = (0.01, 16)  # The lowest and the highest factor of the channels.


def architecture(num_classes: int, *, width: float = 1.0, hidden: int = HIDDEN) -> Architecture:
    """Returns the layers of a VGG19 of this size.

    Raises:
      UserError: there is no such size.

    Example:
      >>> architecture(16, width=0.25, hidden=256).layer("relu3_4")
      Layer(name='relu3_4', channels=64, stride=(4, 4), reach=25, pools=())
    """
    _check_size(width, hidden)
    stages, stride, reach = [], 1, 0
    for stage, count in CONVOLUTIONS.items():
        channels, layers = round(CHANNELS[stage] * width), []
        for number in range(1, count + 1):
            reach += stride
            seen = channels, (stride, stride), reach
            layers += [Layer(f"{kind}{stage}_{number}", *seen) for kind in ("conv", "relu")]
        reach, stride = reach + stride, 2 * stride
        stages.append((*layers, Layer(f"mp{stage}", channels, (stride, stride), reach)))
    head = [channels] + [hidden] * 6 + [num_classes]
    last = (Layer(name, size, (stride, stride), None) for name, size in zip(HEAD, head))
    return Architecture((*stages, tuple(last)), CLASS_LAYER)


def _check_size(width, hidden):
    lowest, highest = WIDTHS
    # JSON's true and false are whole numbers to Python.
    if isinstance(width, bool) or not (
        isinstance(width, int | float) and lowest <= width <= highest
    ):
        raise UserError(f"width must be a number from {lowest} to {highest}, got {width!r}")
    if isinstance(hidden, bool) or not (isinstance(hidden, int) and hidden > 0):
        raise UserError(f"hidden must be a whole number above 0, got {hidden!r}")


@struct.dataclass
class VGG19Network:
    """A VGG19 with its weights; see `network.Network`.

    Attributes:
      weights: the state of the Flax module.
      graph: the module without its state; static.
      architecture: its layers; static.
      pools: whether `avgpool` pools, or `linear1` takes the cells as they are; static.
    """

    weights: Any
    graph: Any = struct.field(pytree_node=False)
    architecture: Architecture = struct.field(pytree_node=False)
    pools: bool = struct.field(pytree_node=False, default=True)

    def activations(self, spectrogram: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        """Returns {layer: activation} of one clip; see `network.Network`."""
        module = nnx.merge(self.graph, self.weights)
        return _first_clip(module(spectrogram[None], layers, pools=self.pools))

    def activations_after(
        self, layer: str, activation: jax.Array, layers: tuple[str, ...]
    ) -> dict[str, jax.Array]:
        """Returns {layer: activation} of deeper layers; see `network.Network`."""
        module = nnx.merge(self.graph, self.weights)
        x = activation[None]
        return _first_clip(module.continue_from(x, layers, after=layer, pools=self.pools))

    def prepare(self, shape: tuple[int, int], layers: tuple[str, ...]) -> "VGG19Network":
        """Returns a network with a smaller `linear1` where maps have fewer cells than `avgpool`.

        `avgpool` and `linear1` are both linear, so that one kernel can do both. Reading the kernel
        of `linear1` is what takes the head long, for one clip.
        """
        cells = [side // self.architecture.layer("avgpool").stride[0] for side in shape]
        needs_linear1 = LAYERS.index(deepest(layers)) >= LAYERS.index("linear1")
        if not needs_linear1 or "avgpool" in layers or math.prod(cells) >= POOLED**2:
            return self
        kernel = _pool_in_kernel(self.weights["linear1"]["kernel"][...], *cells)
        smaller: nnx.State = nnx.State({"linear1": {"kernel": nnx.Param(kernel)}})
        return replace(self, weights=nnx.merge_state(self.weights, smaller), pools=False)


def _pool_in_kernel(kernel, rows, columns):
    """The kernel of `linear1` for maps of rows x columns cells that are not pooled before."""
    both = np.kron(cell_weights(rows, POOLED), cell_weights(columns, POOLED))
    weights = jnp.asarray(both, kernel.dtype)
    merged = jnp.matmul(weights.T, kernel.reshape(len(weights), -1), precision="highest")
    return merged.reshape(-1, kernel.shape[1])


def _first_clip(activations):
    return {layer: values[0] for layer, values in activations.items()}


def weight_shapes(num_classes: int, **size: Any) -> dict[str, Any]:
    """Returns {layer: {"kernel", "bias"}} of a VGG19, as `jax.ShapeDtypeStruct`s."""
    return nnx.to_pure_dict(nnx.state(_skeleton(num_classes, size), nnx.Param))


def build_network(
    weights: Mapping[str, Any], num_classes: int, *, dtype: DTypeLike = jnp.float32, **size: Any
) -> VGG19Network:
    """Returns the network of these weights.

    Args:
      weights: {layer: {"kernel", "bias"}}, arrays.
      num_classes: how many classes the layer `output` has.
      dtype: of the weights, and so of the network's arithmetic.
      **size: `width` and `hidden`, as `VGG19` takes them.
    """
    module = _skeleton(num_classes, size)
    nnx.update(module, jax.tree.map(lambda array: jax.device_put(array.astype(dtype)), weights))
    module.prepare_kernels()
    graph, state = nnx.split(module)
    return VGG19Network(state, graph, architecture(num_classes, **size))


def _skeleton(num_classes, size):
    """The module without values, set to dream: nothing is drawn, nothing is dropped."""
    module = nnx.eval_shape(lambda: VGG19(num_classes, rngs=nnx.Rngs(0), **size))
    module.eval()
    module.dropout1.rngs = module.dropout2.rngs = None
    return module
