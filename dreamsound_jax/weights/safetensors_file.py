"""Reads tensors from a safetensors file: a length of 8 bytes, a JSON header, and the numbers."""

import json
import math
import os
import sys

import ml_dtypes
import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.advice import show_name
from dreamsound_jax.weights.torch_views import MAX_AXES

MAX_HEADER_BYTES = 16 * 2**20  # The header of a network has only a few kilobytes.
DTYPES = {"F16": "<f2", "BF16": ml_dtypes.bfloat16, "F32": "<f4", "F64": "<f8", "BOOL": "?"}
DTYPES |= {f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)}
DTYPES |= {f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)}


def is_safetensors(path: str | os.PathLike) -> bool:
    """Returns whether a file begins as a safetensors file does; False if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Maps the tensors of a safetensors file into memory.

    Returns:
      {name: read-only array}, whose numbers are read from the file where they are used.

    Raises:
      UserError: the file is damaged, or has a dtype other than `DTYPES`.
    """
    try:
        data = np.memmap(path, np.uint8, "r")
        size = int.from_bytes(data[:8].tobytes(), "little")
        if size > min(MAX_HEADER_BYTES, data.size - 8):
            raise ValueError(f"its header would have {size} bytes")
        header = json.loads(data[8 : 8 + size].tobytes(), object_pairs_hook=_refuse_duplicates)
        header.pop("__metadata__", None)
        return _map_tensors(header, data[8 + size :])
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else reason_of(error)
        raise UserError(f"{path} is not a whole safetensors file: {reason}") from None


def _is_size(number):
    return type(number) is int and 0 <= number <= sys.maxsize


def _refuse_duplicates(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("its header names an entry twice")
    return dict(pairs)


def _map_tensors(header, data):
    """Returns {name: array}; the tensors must fill the data, one after the other."""
    tensors, position = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            kind = show_name(entry["dtype"])
            raise ValueError(f"{show_name(name)!r} is {kind}, not one of {', '.join(DTYPES)}")
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
        numbers = (start, stop, *shape)
        if len(shape) > MAX_AXES or not all(map(_is_size, numbers)) or start != position:
            raise ValueError(f"{show_name(name)!r} must begin at byte {position} of the numbers")
        if stop > data.size or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(
                f"{show_name(name)!r} must lie in the file, with as many bytes as it needs"
            )
        tensors[name], position = data[start:stop].view(dtype).reshape(shape), stop
    if position != data.size:
        raise ValueError(f"{data.size - position} bytes belong to no tensor")
    return tensors
