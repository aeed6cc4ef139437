"""Converts the state dict of a PyTorch VGG19 to the weights of this project's VGG19.

The names, shapes and axes of PyTorch are known here; `torch_file.py` reads any state dict.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, CONVOLUTIONS, LINEAR_LAYERS, POOLED
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.misfit import check_fit
from dreamsound_jax.weights.torch_file import StoredTensor

BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
BATCH_NORM_EPSILON = 1e-5  # PyTorch's default.
# Added by DataParallel, by torch.compile, and by classes that hold the network as an attribute.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
BLOCK_ROWS = 64  # Output channels or features that are transposed at a time.


def _name_layers(modules_per_convolution):
    """Returns {layer: name} by torchvision's numbering, which also counts ReLUs and poolings."""
    names, position = {}, 0
    for stage, count in CONVOLUTIONS.items():
        for k in range(count):
            names[f"conv{stage}_{k + 1}"] = f"features.{position}"
            position += modules_per_convolution
        position += 1
    return names | dict(zip(LINEAR_LAYERS, ("classifier.0", "classifier.3", "classifier.6")))


TORCH_NAMES = _name_layers(modules_per_convolution=2)  # The convolution and its ReLU.
"""{layer: the prefix of its `.weight` and `.bias` in the state dict of VGG19}."""

BATCH_NORM_TORCH_NAMES = _name_layers(modules_per_convolution=3)  # Batch norm comes between them.
"""The same for VGG19 with batch norm."""


def convert_state_dict(
    tensors: Mapping[str, np.ndarray | StoredTensor],
    shapes: Mapping[str, Mapping[str, Any]],
    *,
    dtype: np.dtype | type = np.float32,
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Converts a state dict with torchvision's names, layer by layer.

    Those of `PREFIXES` that all names share are removed. Kernels of convolutions are transposed
    from OIHW to HWIO, and those of linear layers from (out, in) to (in, out). The input of
    `linear1` is reordered from PyTorch's channel-height-width to height-width-channel. Batch norms
    are folded into the convolutions before them.

    Args:
      tensors: {PyTorch's name: tensor}.
      shapes: the shapes of the network's weights, as `loading.weight_shapes` returns them.
      dtype: the dtype of the result.

    Returns:
      An iterator over (layer, {"kernel", "bias"}) that begins with the largest layer. Who writes a
      layer may still hold it while the next one is converted; in this order the largest layer is
      never in memory together with another.

    Raises:
      UserError: names are missing or unexpected, or shapes differ; the iterator raises it where
        numbers are NaN, infinite or too large for `dtype`.
    """
    tensors = _remove_shared_prefixes(tensors)
    has_batch_norm = any(name.endswith("running_mean") for name in tensors)
    names = BATCH_NORM_TORCH_NAMES if has_batch_norm else TORCH_NAMES
    check_fit(tensors, _list_expected_shapes(names, shapes, has_batch_norm), names)
    kernel_shapes = _sort_largest_first(_list_kernel_shapes(shapes))
    return (
        (layer, _convert_layer(tensors, names[layer], layer, shape, has_batch_norm, dtype))
        for layer, shape in kernel_shapes
    )


def _remove_shared_prefixes(tensors):
    for prefix in PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            shorter = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
            return _remove_shared_prefixes(shorter)
    return tensors


def _list_kernel_shapes(shapes):
    return [(layer, arrays["kernel"].shape) for layer, arrays in shapes.items()]


def _sort_largest_first(kernel_shapes):
    """Puts the largest kernel first, and keeps the order of the others."""
    largest = max(kernel_shapes, key=lambda layer_and_shape: math.prod(layer_and_shape[1]))
    return [largest, *(entry for entry in kernel_shapes if entry is not largest)]


def _list_expected_shapes(names, shapes, has_batch_norm):
    """Returns {PyTorch's name: shape} of all tensors that a state dict must have."""
    expected = {}
    for layer, (*inputs, out) in _list_kernel_shapes(shapes):
        is_conv = layer in CONV_LAYERS
        expected[f"{names[layer]}.weight"] = (out, inputs[-1], 3, 3) if is_conv else (out, *inputs)
        expected[f"{names[layer]}.bias"] = (out,)
        if is_conv and has_batch_norm:
            norm = _name_batch_norm(names[layer])
            expected |= {f"{norm}.{part}": (out,) for part in BATCH_NORM_PARTS}
    return expected


def _name_batch_norm(convolution_name):
    """Returns the name of the batch norm that follows a convolution."""
    features, position = convolution_name.split(".")
    return f"{features}.{int(position) + 1}"


def _convert_layer(tensors, name, layer, shape, has_batch_norm, dtype):
    scale, shift = 1.0, 0.0
    if has_batch_norm and layer in CONV_LAYERS:
        scale, shift = _read_batch_norm(tensors, _name_batch_norm(name))
    scale = np.broadcast_to(scale, shape[-1:]).astype(dtype)
    kernel = _allocate_aligned(shape, dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # Such numbers are refused.
        for start, block in _read_blocks(tensors[f"{name}.weight"]):
            rows = _transpose_rows(layer, block) * scale[start : start + len(block)]
            kernel[..., start : start + len(block)] = _check_numbers(f"{name}.weight", rows, dtype)
        bias = _read_tensor(tensors, f"{name}.bias") * scale + shift
    return {"kernel": kernel, "bias": _check_numbers(f"{name}.bias", bias, dtype)}


def _read_batch_norm(tensors, name):
    """Returns (scale, shift), float64: in evaluation a batch norm computes scale * x + shift."""
    weight, bias, mean, variance = (
        _check_numbers(f"{name}.{part}", _read_tensor(tensors, f"{name}.{part}"), np.float64)
        for part in BATCH_NORM_PARTS
    )
    if (variance < 0).any():
        raise UserError(f"{name}.running_var must be 0 or above, got {variance.min():g}")
    scale = weight / np.sqrt(variance + BATCH_NORM_EPSILON)
    return scale, bias - mean * scale


def _check_numbers(name, numbers, dtype):
    """Returns numbers as `dtype`; raises UserError if one is NaN, infinite or too large for it."""
    numbers = numbers.astype(dtype, copy=False)
    if not np.isfinite(numbers).all():
        worst = numbers[~np.isfinite(numbers)][0]
        raise UserError(f"{name} must hold finite numbers that fit {np.dtype(dtype)}, got {worst}")
    return numbers


def _transpose_rows(layer, block):
    """Transposes some rows of a PyTorch weight, (outputs, ...), to (..., outputs)."""
    if layer in CONV_LAYERS:
        return block.transpose(2, 3, 1, 0)
    if layer == "linear1":
        block = block.reshape(len(block), -1, POOLED, POOLED).transpose(0, 2, 3, 1)
    return block.reshape(len(block), -1).T


def _read_blocks(tensor):
    if isinstance(tensor, StoredTensor):
        return tensor.read_blocks(BLOCK_ROWS)
    starts = range(0, len(tensor), BLOCK_ROWS)
    return ((start, tensor[start : start + BLOCK_ROWS]) for start in starts)


def _read_tensor(tensors, name):
    tensor = tensors[name]
    return tensor.read() if isinstance(tensor, StoredTensor) else tensor


def _allocate_aligned(shape, dtype):
    """Returns an empty array that starts at a multiple of 64 bytes, which JAX need not copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
