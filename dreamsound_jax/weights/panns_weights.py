"""Converts the state dict of PANNs' `Cnn10` and `Cnn14` to the weights of `networks.panns`.

PANNs lay a spectrogram out as time x mel bands, and this project as mel bands x time.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dreamsound_jax.networks import loading, panns
from dreamsound_jax.networks.card import Card
from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.misfit import list_differences, refuse_unread
from dreamsound_jax.weights.torch_arrays import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_PARTS,
    Tensor,
    allocate_aligned,
    check_numbers,
    read_batch_norm,
    read_blocks,
    read_tensor,
    sort_largest_first,
)
from dreamsound_jax.weights.torch_names import find_network, warn_of_left_out

PANNS = "panns"  # The name of the architecture.
FIRST_NORM = "bn0"
WANTED = ("bn0.weight", "fc_audioset.weight")  # The first and the last tensor.
FILTERS = "logmel_extractor.melW"
SPECTRUM = tuple(f"spectrogram_extractor.stft.conv_{part}.weight" for part in ("real", "imag"))
LINEAR_NAMES = {"linear1": "fc1", "output": "fc_audioset"}
# The front ends of the networks that PANNs' authors published.
FRONT_ENDS = (
    {"sample_rate": 32000, "n_fft": 1024, "hop": 320, "f_min": 50.0, "f_max": 14000.0},
    {"sample_rate": 16000, "n_fft": 512, "hop": 160, "f_min": 50.0, "f_max": 8000.0},
    {"sample_rate": 8000, "n_fft": 256, "hop": 80, "f_min": 50.0, "f_max": 4000.0},
)
# The published filters are in float32. Those of another front end differ by the largest filter.
FILTER_TOLERANCE = 1e-4  # Relative to the largest number.


def convert_panns(
    tensors: Mapping[str, Tensor], card: Card
) -> tuple[Iterator[tuple[str, dict[str, np.ndarray]]], dict[str, Any]]:
    """Converts a state dict with the published names, layer by layer.

    Kernels are transposed from (out, in, time, mel) to (mel, time, in, out), and each batch norm is
    folded into the convolution before it in float64.

    Args:
      tensors: {PyTorch's name: tensor}.
      card: of the network; its mean and standard deviation are not used.

    Returns:
      An iterator over (layer, its arrays) that begins with the largest layer; and the entries
      `mean` and `std` of the card: those of the first batch norm, averaged over mel bands.

    Raises:
      UserError: the file holds another network, its mel filters are not those of the card, or the
        card's compression is not "db"; the iterator raises it where numbers are NaN, infinite or
        too large for float32.
    """
    if card.front_end.compression != DECIBEL:
        raise UserError(
            "compression must be db, which PANNs' networks are shown, got "
            f"{card.front_end.compression}"
        )
    network = find_network(tensors, WANTED)
    tensors = network.tensors
    shapes = loading.weight_shapes(card)
    expected = _list_expected_shapes(shapes, card)
    refuse_unread(tensors, expected)
    _check_blocks(tensors, card)
    _check_filters(tensors, card)
    _check_names_and_shapes(network, expected)
    warn_of_left_out(network)
    statistics = _average_statistics(tensors)
    return _convert_layers(tensors, shapes, **statistics), statistics


def _convert_layers(tensors, shapes, *, mean, std):
    kernels = [(name, each["kernel"].shape) for name, each in shapes.items() if "kernel" in each]
    for layer, shape in sort_largest_first(kernels):
        convert = _convert_convolution if layer.startswith("conv") else _convert_linear
        yield layer, convert(tensors, layer, shape)
    scale, shift = read_batch_norm(tensors, FIRST_NORM)
    # The network is shown (dB - mean) / std.
    arrays = {"scale": scale * std, "shift": shift + scale * mean}
    checked = {name: check_numbers(FIRST_NORM, arrays[name], np.float32) for name in arrays}
    yield panns.INPUT, checked


def _convert_convolution(tensors, layer, shape):
    name, norm = _torch_names(layer)
    scale, shift = read_batch_norm(tensors, norm)
    kernel = allocate_aligned(shape, np.float32)
    for start, block in read_blocks(tensors[f"{name}.weight"]):
        stop = start + len(block)
        with np.errstate(over="ignore", invalid="ignore"):  # Such numbers are refused.
            rows = block.transpose(3, 2, 1, 0) * scale[start:stop]
        kernel[..., start:stop] = check_numbers(f"{name}.weight", rows, np.float32)
    return {"kernel": kernel, "bias": check_numbers(f"{norm}.bias", shift, np.float32)}


def _convert_linear(tensors, layer, shape):
    name = LINEAR_NAMES[layer]
    kernel = allocate_aligned(shape, np.float32)
    for start, block in read_blocks(tensors[f"{name}.weight"]):
        rows = check_numbers(f"{name}.weight", block.T, np.float32)
        kernel[:, start : start + len(block)] = rows
    bias = check_numbers(f"{name}.bias", read_tensor(tensors[f"{name}.bias"]), np.float32)
    return {"kernel": kernel, "bias": bias}


def _torch_names(layer):
    """Returns PyTorch's names of a convolution, such as conv2_1, and of its batch norm."""
    block, number = layer.removeprefix("conv").split("_")
    return f"conv_block{block}.conv{number}", f"conv_block{block}.bn{number}"


def _average_statistics(tensors):
    """Returns the mean and the standard deviation of the spectrograms, averaged over mel bands."""
    mean = read_tensor(tensors[f"{FIRST_NORM}.running_mean"]).astype(np.float64)
    variance = read_tensor(tensors[f"{FIRST_NORM}.running_var"]).astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise UserError(f"the mean and variance of {FIRST_NORM} must be finite, and not negative")
    deviation = np.sqrt(variance + BATCH_NORM_EPSILON)
    return {"mean": round(float(mean.mean()), 4), "std": round(float(deviation.mean()), 4)}


def _list_expected_shapes(shapes, card):
    """Returns {PyTorch's name: shape} of all tensors that a state dict must have."""
    bins = card.front_end.n_fft // 2 + 1
    expected = dict.fromkeys(SPECTRUM, (bins, 1, card.front_end.n_fft))
    expected[FILTERS] = (bins, panns.BANDS)
    expected |= {f"{FIRST_NORM}.{part}": (panns.BANDS,) for part in BATCH_NORM_PARTS}
    for layer, arrays in shapes.items():
        if layer.startswith("conv"):
            (name, norm), (*_, before, after) = _torch_names(layer), arrays["kernel"].shape
            expected[f"{name}.weight"] = (after, before, 3, 3)
            expected |= {f"{norm}.{part}": (after,) for part in BATCH_NORM_PARTS}
        elif layer in LINEAR_NAMES:
            before, after = arrays["kernel"].shape
            expected[f"{LINEAR_NAMES[layer]}.weight"] = (after, before)
            expected[f"{LINEAR_NAMES[layer]}.bias"] = (after,)
    return expected


def _check_blocks(tensors, card):
    """Names a network of other blocks by their channels: all of its shapes would differ."""
    found = {
        int(match[1]): tensors[name].shape[0]
        for name in tensors
        if (match := re.fullmatch(r"conv_block(\d+)\.conv1\.weight", name)) and tensors[name].shape
    }
    channels = [found[block] for block in sorted(found)]
    expected = list(card.size["channels"])
    if channels and channels != expected:
        raise UserError(
            f"the file holds a network with blocks of {_list_numbers(channels)} channels, but "
            f"{card.name} must have blocks of {_list_numbers(expected)}"
        )


def _list_numbers(numbers):
    return ", ".join(map(str, numbers))


def _check_names_and_shapes(network, expected):
    details = list_differences(network.tensors, expected)
    if details:
        raise UserError(f"the state dict must be that of PANNs' network; {'; '.join(details)}")


def _check_filters(tensors, card):
    if FILTERS not in tensors:
        return  # This is reported with the other names.
    filters = read_tensor(tensors[FILTERS]).astype(np.float64)
    difference = _compare_filters(filters, card.front_end)
    if difference <= FILTER_TOLERANCE:
        return
    distance = "in shape" if math.isinf(difference) else f"by {difference:.2g} of the largest"
    raise UserError(
        f"the file's mel filters differ {distance} from those of the front end of {card.name}; "
        f"{_suggest_front_end(filters, card)}"
    )


def _compare_filters(filters, front_end):
    """Returns the largest difference of filters (bins, mel bands) from those of a front end."""
    expected = front_end.bands.filters.T
    if filters.shape != expected.shape:
        return math.inf
    return float(np.abs(filters - expected).max() / expected.max())


def _suggest_front_end(filters, card):
    for constants in FRONT_ENDS:
        front_end = replace(card.front_end, **constants)
        if _compare_filters(filters, front_end) <= FILTER_TOLERANCE:
            stated = ", ".join(f"{name} {value:g}" for name, value in constants.items())
            return f"they are those of {stated}"
    return "they are those of no network that PANNs' authors published"
