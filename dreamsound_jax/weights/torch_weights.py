"""Converts the state dict of a PyTorch VGG19 to the weights of this project's VGG19.

The names, shapes and axes of PyTorch are known here; `torch_file.py` reads any state dict.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, CONVOLUTIONS, LINEAR_LAYERS, POOLED
from dreamsound_jax.weights.misfit import check_fit
from dreamsound_jax.weights.torch_arrays import (
    BATCH_NORM_PARTS,
    allocate_aligned,
    check_numbers,
    read_batch_norm,
    read_blocks,
    read_tensor,
    sort_largest_first,
)
from dreamsound_jax.weights.torch_file import StoredTensor
from dreamsound_jax.weights.torch_names import find_network, warn_of_left_out


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

WANTED = ("features.0.weight", "classifier.6.weight")
"""The first and the last tensor, which have these names with batch norm and without."""


def convert_state_dict(
    tensors: Mapping[str, np.ndarray | StoredTensor],
    shapes: Mapping[str, Mapping[str, Any]],
    *,
    dtype: np.dtype | type = np.float32,
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Converts a state dict with torchvision's names, layer by layer.

    What stands before the names is removed, and tensors beside the network are left out; see
    `torch_names.find_network`. Kernels of convolutions are transposed from OIHW to HWIO, and those
    of linear layers from (out, in) to (in, out). The input of `linear1` is reordered from PyTorch's
    channel-height-width to height-width-channel. Batch norms are folded into the convolutions
    before them, which may then have no bias.

    Args:
      tensors: {PyTorch's name: tensor}.
      shapes: the shapes of the network's weights, as `loading.weight_shapes` returns them.
      dtype: the dtype of the result.

    Returns:
      An iterator over (layer, {"kernel", "bias"}) that begins with the largest layer.

    Raises:
      UserError: names are missing or unexpected, or shapes differ; the iterator raises it where
        numbers are NaN, infinite or too large for `dtype`.
    """
    network = find_network(tensors, WANTED)
    tensors = network.tensors
    has_batch_norm = any(name.endswith("running_mean") for name in tensors)
    names = BATCH_NORM_TORCH_NAMES if has_batch_norm else TORCH_NAMES
    expected = _list_expected_shapes(names, shapes, has_batch_norm)
    if has_batch_norm:
        expected = _without_missing_biases(expected, names, tensors)
    check_fit(network, expected, names)
    warn_of_left_out(network)
    kernel_shapes = sort_largest_first(_list_kernel_shapes(shapes))
    return (
        (layer, _convert_layer(tensors, names[layer], layer, shape, has_batch_norm, dtype))
        for layer, shape in kernel_shapes
    )


def _list_kernel_shapes(shapes):
    return [(layer, arrays["kernel"].shape) for layer, arrays in shapes.items()]


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


def _without_missing_biases(expected, names, tensors):
    """Leaves out the biases of convolutions that have none, since a batch norm follows them."""
    biases = {f"{names[layer]}.bias" for layer in CONV_LAYERS}
    return {
        name: shape for name, shape in expected.items() if name not in biases or name in tensors
    }


def _name_batch_norm(convolution_name):
    """Returns the name of the batch norm that follows a convolution."""
    features, position = convolution_name.split(".")
    return f"{features}.{int(position) + 1}"


def _convert_layer(tensors, name, layer, shape, has_batch_norm, dtype):
    scale, shift = 1.0, 0.0
    if has_batch_norm and layer in CONV_LAYERS:
        scale, shift = read_batch_norm(tensors, _name_batch_norm(name))
    scale = np.broadcast_to(scale, shape[-1:]).astype(dtype)
    kernel = allocate_aligned(shape, dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # Such numbers are refused.
        for start, block in read_blocks(tensors[f"{name}.weight"]):
            rows = _transpose_rows(layer, block) * scale[start : start + len(block)]
            kernel[..., start : start + len(block)] = check_numbers(f"{name}.weight", rows, dtype)
        bias = tensors.get(f"{name}.bias")
        bias = (0 if bias is None else read_tensor(bias)) * scale + shift
    return {"kernel": kernel, "bias": check_numbers(f"{name}.bias", bias, dtype)}


def _transpose_rows(layer, block):
    """Transposes some rows of a PyTorch weight, (outputs, ...), to (..., outputs)."""
    if layer in CONV_LAYERS:
        return block.transpose(2, 3, 1, 0)
    if layer == "linear1":
        block = block.reshape(len(block), -1, POOLED, POOLED).transpose(0, 2, 3, 1)
    return block.reshape(len(block), -1).T
