"""Reads the arrays of a state dict for a conversion: block by block, so that memory stays small."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_file import StoredTensor

BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
BATCH_NORM_EPSILON = 1e-5  # PyTorch's default.
BLOCK_ROWS = 64  # Output channels or features that are transposed at a time.

Tensor = np.ndarray | StoredTensor


def sort_largest_first(kernel_shapes: list[tuple[str, tuple[int, ...]]]) -> list:
    """Puts the largest of (layer, shape of its kernel) first, and keeps the order of the others.

    Who writes a layer may still hold it while the next one is converted; in this order the largest
    layer is never in memory together with another.
    """
    largest = max(kernel_shapes, key=lambda layer_and_shape: math.prod(layer_and_shape[1]))
    return [largest, *(entry for entry in kernel_shapes if entry is not largest)]


def read_tensor(tensor: Tensor) -> np.ndarray:
    """Returns a tensor as an array."""
    return tensor.read() if isinstance(tensor, StoredTensor) else tensor


def read_blocks(tensor: Tensor) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index of the first row, some rows) along the first axis."""
    if isinstance(tensor, StoredTensor):
        return tensor.read_blocks(BLOCK_ROWS)
    starts = range(0, len(tensor), BLOCK_ROWS)
    return ((start, tensor[start : start + BLOCK_ROWS]) for start in starts)


def read_batch_norm(tensors: Mapping[str, Tensor], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (scale, shift), float64: in evaluation a batch norm computes scale * x + shift.

    Raises:
      UserError: a number is NaN or infinite, or a variance is below 0.
    """
    weight, bias, mean, variance = (
        check_numbers(f"{name}.{part}", read_tensor(tensors[f"{name}.{part}"]), np.float64)
        for part in BATCH_NORM_PARTS
    )
    if (variance < 0).any():
        raise UserError(f"{name}.running_var must be 0 or above, got {variance.min():g}")
    scale = weight / np.sqrt(variance + BATCH_NORM_EPSILON)
    return scale, bias - mean * scale


def check_numbers(name: str, numbers: np.ndarray, dtype: Any) -> np.ndarray:
    """Returns numbers as `dtype`; raises UserError if one is NaN, infinite or too large for it."""
    with np.errstate(over="ignore", invalid="ignore"):  # Such numbers are refused.
        numbers = numbers.astype(dtype, copy=False)
    if not np.isfinite(numbers).all():
        worst = numbers[~np.isfinite(numbers)][0]
        raise UserError(f"{name} must hold finite numbers that fit {np.dtype(dtype)}, got {worst}")
    return numbers


def allocate_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an empty array that starts at a multiple of 64 bytes, which JAX need not copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
