"""Writes safetensors files, whole and damaged ones."""

import json

import numpy as np

DTYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "int64": "I64"}


def entry(dtype, shape, start, stop):
    """The entry of a tensor in the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def encode(header, data):
    """The bytes of a file, from its header (a dictionary or bytes) and its numbers (bytes)."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def write_safetensors(path, arrays):
    """Writes arrays {name: array}, and returns `path`."""
    header, data = {}, b""
    for name, array in arrays.items():
        numbers = np.ascontiguousarray(array).tobytes()
        stop = len(data) + len(numbers)
        header[name] = entry(DTYPES[str(array.dtype)], list(array.shape), len(data), stop)
        data += numbers
    path.write_bytes(encode(header, data))
    return path
