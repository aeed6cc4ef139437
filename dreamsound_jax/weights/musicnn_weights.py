"""Names and layouts of the weights of musicnn's VGG, which TensorFlow trained."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dreamsound_jax.system.errors import UserError

# That of TensorFlow's batch normalisation.
EPSILON = 1e-3
# The tensor of each layer's kernel; those of batch normalisation have four tensors instead.
CONVOLUTIONS = {f"conv{number}": f"{number}CNN" for number in range(1, 6)}
NORMS = {"input": "batch_normalization"}
NORMS |= {f"norm{number}": f"batch_normalization_{number}" for number in range(1, 6)}


def convert_tensors(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Converts the tensors of a checkpoint of musicnn's VGG.

    Args:
      tensors: by TensorFlow's names. Others than those of the network, such as an optimizer's, are
        left out.
      shapes: the weights that are wanted, as `networks.musicnn.weight_shapes` gives them.

    Yields:
      The name of each layer, and its arrays, {"kernel", "bias"}.

    Raises:
      UserError: a tensor is missing, or has another shape: the checkpoint is of another network.
    """
    for layer, wanted in shapes.items():
        yield layer, _fit(layer, _convert(layer, tensors), wanted)


def _convert(layer, tensors):
    if layer in NORMS:
        return _fold_norm(tensors, NORMS[layer])
    name = CONVOLUTIONS.get(layer, "dense")
    kernel, bias = (_take(tensors, f"{name}/{part}") for part in ("kernel", "bias"))
    # TensorFlow's maps are (frames, mel bands, channels), and ours (mel bands, frames, channels).
    kernel = kernel.swapaxes(0, 1) if kernel.ndim == 4 else kernel
    return {"kernel": np.ascontiguousarray(kernel), "bias": bias}


def _fold_norm(tensors, name):
    """Returns the scale and the shift that do what a batch normalisation does after training."""
    gamma, beta, mean, variance = (
        _take(tensors, f"{name}/{part}").astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return {"kernel": scale.astype(np.float32), "bias": (beta - mean * scale).astype(np.float32)}


def _take(tensors, name):
    if name not in tensors:
        raise UserError(f"the checkpoint is not of musicnn's VGG: it has no tensor {name}")
    return tensors[name]


def _fit(layer, arrays, wanted):
    for part, array in arrays.items():
        if array.shape != wanted[part].shape:
            raise UserError(
                f"the checkpoint is not of musicnn's VGG: the {part} of {layer} has the shape "
                f"{array.shape}, and must have {wanted[part].shape}"
            )
    return arrays
