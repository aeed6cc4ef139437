"""Maps a PyTorch VGG19 state dict, with torchvision's names, onto this project's weights."""

import math

import numpy as np

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, CONVOLUTIONS, LINEAR_LAYERS, POOLED
from dreamsound_jax.system.errors import UserError

NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
NORM_EPSILON = 1e-5  # PyTorch's default
ROWS = 64  # output features or channels that are turned at once


def _names(each):
    """{layer: torch name}; torchvision counts the `each` modules of a convolution, and poolings."""
    names, position = {}, 0
    for stage, count in CONVOLUTIONS.items():
        for k in range(count):
            names[f"conv{stage}_{k + 1}"] = f"features.{position}"
            position += each
        position += 1
    return names | dict(zip(LINEAR_LAYERS, ("classifier.0", "classifier.3", "classifier.6")))


TORCH_NAMES = _names(each=2)  # convolution, ReLU
"""{layer: the prefix of its `.weight` and `.bias` in VGG19's state dict}."""

NORMALISED_NAMES = _names(each=3)  # convolution, batch norm, ReLU
"""The same for VGG19 with batch norm, whose norms come right after their convolutions."""


def from_torch(tensors, shapes, *, dtype=np.float32):
    """Converts a state dict, a layer at a time; batch norm is folded into its convolutions.

    Convolutions go from OIHW to HWIO, linear layers from (out, in) to (in, out); `linear1` reads
    PyTorch's channel-height-width order, and here height-width-channel.

    Args:
      tensors: {torch name: np.ndarray or StoredTensor}.
      shapes: of the network's weights, as `loading.weight_shapes` gives them.
      dtype: of the result.

    Returns:
      An iterator of (layer, {"kernel", "bias"}), the largest layer first: whoever writes one may
      still hold it while the next is converted, and the largest then never meets another.

    Raises:
      UserError: names that are missing or unexpected, or shapes that do not fit; all at once.
    """
    normalised = any(name.endswith("running_mean") for name in tensors)
    names = NORMALISED_NAMES if normalised else TORCH_NAMES
    _check(tensors, _expected(names, shapes, normalised))
    return (
        (layer, _convert(tensors, names[layer], layer, shape, normalised, dtype))
        for layer, shape in _largest_first(_kernels(shapes))
    )


def _largest_first(kernels):
    """The largest kernel, then the others in their order."""
    kernels = list(kernels)
    largest = max(kernels, key=lambda kernel: math.prod(kernel[1]))
    return [largest, *(kernel for kernel in kernels if kernel is not largest)]


def _kernels(shapes):
    return ((layer, arrays["kernel"].shape) for layer, arrays in shapes.items())


def _expected(names, shapes, normalised):
    """{torch name: shape} of all that a state dict must have."""
    expected = {}
    for layer, (*inputs, out) in _kernels(shapes):
        is_conv = layer in CONV_LAYERS
        expected[f"{names[layer]}.weight"] = (out, inputs[-1], 3, 3) if is_conv else (out, *inputs)
        expected[f"{names[layer]}.bias"] = (out,)
        if is_conv and normalised:
            expected |= {f"{_norm(names[layer])}.{part}": (out,) for part in NORM_PARTS}
    return expected


def _norm(name):
    features, position = name.split(".")
    return f"{features}.{int(position) + 1}"


def _check(tensors, expected):
    given = {name for name in tensors if not name.endswith("num_batches_tracked")}
    wrong = [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in expected.items()
        if name in given and tuple(tensors[name].shape) != shape
    ]
    problems = {
        "missing": sorted(set(expected) - given),
        "unexpected": sorted(given - set(expected)),
        "of another shape": wrong,
    }
    if any(problems.values()):
        told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
        raise UserError(f"not a one-channel VGG19 with torchvision's names and this size: {told}")


def _convert(tensors, name, layer, shape, normalised, dtype):
    gain, shift = _norm_of(tensors, _norm(name)) if normalised and "conv" in layer else (1.0, 0.0)
    gain = np.broadcast_to(gain, shape[-1:]).astype(dtype)
    kernel = _aligned(shape, dtype)
    for start, block in _blocks(tensors[f"{name}.weight"]):
        stop = start + len(block)
        kernel[..., start:stop] = _turn(layer, block) * gain[start:stop]
    bias = _whole(tensors[f"{name}.bias"]) * gain + shift
    return {"kernel": kernel, "bias": bias.astype(dtype)}


def _norm_of(tensors, name):
    """What a batch norm in eval does: gain * x + shift."""
    scale, bias, mean, variance = (
        _whole(tensors[f"{name}.{part}"]).astype(np.float64) for part in NORM_PARTS
    )
    gain = scale / np.sqrt(variance + NORM_EPSILON)
    return gain, bias - mean * gain


def _turn(layer, block):
    """Some rows of a torch weight as they lie here, outputs last."""
    if layer in CONV_LAYERS:
        return block.transpose(2, 3, 1, 0)
    if layer == "linear1":
        block = block.reshape(len(block), -1, POOLED, POOLED).transpose(0, 2, 3, 1)
    return block.reshape(len(block), -1).T


def _blocks(tensor):
    if isinstance(tensor, np.ndarray):
        return ((start, tensor[start : start + ROWS]) for start in range(0, len(tensor), ROWS))
    return tensor.blocks(ROWS)


def _whole(tensor):
    return tensor if isinstance(tensor, np.ndarray) else tensor.read()


def _aligned(shape, dtype):
    """An empty array that starts at a multiple of 64 bytes: JAX takes it without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
