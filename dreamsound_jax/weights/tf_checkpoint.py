"""Reads the tensors of a TensorFlow checkpoint without TensorFlow.

A checkpoint is a table, NAME.index, that describes the tensors, and NAME.data-00000-of-00001, which
holds their numbers one after the other.
"""

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.crc32c import compute_crc32c, mask_crc32c
from dreamsound_jax.weights.tf_table import BYTES, FIXED32, VARINT, read_message, read_table

MAX_INDEX_BYTES = 2**20  # An index has about 50 bytes for each tensor.
MAX_AXES = 32
DTYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64"}
OTHER_DTYPES = {4: "uint8", 6: "int8", 7: "string", 10: "bool", 14: "bfloat16", 19: "float16"}

# Fields of the messages, by their numbers in TensorFlow's tensor_bundle.proto and the files that it
# includes.
HEADER = {1: VARINT, 2: VARINT, 3: BYTES}  # Shards, is big-endian, version.
VERSION = {1: VARINT, 2: VARINT, 3: VARINT}  # Producer, oldest reader, readers with an error.
ENTRY = {1: VARINT, 2: BYTES, 3: VARINT, 4: VARINT, 5: VARINT, 6: FIXED32, 7: BYTES}
SHAPE = {2: BYTES, 3: VARINT}  # Axes, has an unknown rank.
AXIS = {1: VARINT, 2: BYTES}  # Length, name.
READER_VERSION = 1  # The version of the format that this reader understands.


class _Entry(NamedTuple):
    """A tensor, as the index describes it. The offset and the size count bytes."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def read_tf_checkpoint(prefix: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads all tensors of a TensorFlow checkpoint, those of the optimizer included.

    All checksums are verified. Nothing is executed.

    Args:
      prefix: the path without ".index" and ".data-00000-of-00001", which is what
        `tf.compat.v1.train.Saver` returns; or the path of the index; or a folder whose checkpoint
        has no name, so that its index is called ".index".

    Returns:
      {name: array of float32, float64, int32 or int64}, in the order of the names.

    Raises:
      UserError: a file cannot be read, is damaged, or is not one unsharded little-endian
        checkpoint of such tensors.
    """
    prefix = _find_prefix(os.fspath(prefix))
    entries = _read_index(f"{prefix}.index")
    return _read_tensors(f"{prefix}.data-00000-of-00001", entries)


def _find_prefix(path):
    if os.path.isdir(path) and not os.path.exists(f"{path}.index"):
        return os.path.join(path, "")
    return path.removesuffix(".index")


@contextlib.contextmanager
def _explain_errors(path: str) -> Iterator[None]:
    """Turns what goes wrong with a file into a UserError that names the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error


def _read_index(path):
    with _explain_errors(path):
        with open(path, "rb") as file:
            data = file.read(MAX_INDEX_BYTES + 1)
        if len(data) > MAX_INDEX_BYTES:
            raise ValueError(f"an index must have at most {MAX_INDEX_BYTES} bytes")
        table = read_table(data)
        key, header = next(table, (None, b""))
        if key != b"":
            raise ValueError("the index must begin with a header")
        _check_header(read_message(header, HEADER))
        return [_parse_entry(key, value) for key, value in table]


def _check_header(fields):
    shards = _take_one(fields[1])
    if shards != 1:
        raise ValueError(f"the checkpoint must be one shard, not {shards}: save it unsharded")
    if _take_one(fields[2]):
        raise ValueError("the checkpoint must be little-endian, but a big-endian machine wrote it")
    version = read_message(_take_one(fields[3], b""), VERSION)
    oldest = _take_one(version[2])
    if oldest > READER_VERSION:
        raise ValueError(f"the format must be of version {READER_VERSION}, not {oldest}")


def _parse_entry(key, value):
    try:
        name = key.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the name {ascii(key)[2:-1][:60]} must be UTF-8") from None
    label = _show(name)
    fields = read_message(value, ENTRY)
    if fields[7]:
        raise ValueError(f"{label} is saved in slices, but must be saved whole")
    if shard := _take_one(fields[3]):
        raise ValueError(f"{label} must be in shard 0, not {shard}")
    number = _take_one(fields[1])
    if number not in DTYPES:
        found = OTHER_DTYPES.get(number, f"of TensorFlow's type {number}")
        raise ValueError(f"{label} is {found}, but must be {', '.join(DTYPES.values())}")
    dtype, shape = np.dtype(DTYPES[number]), _parse_shape(_take_one(fields[2], b""))
    offset, size, checksum = (_take_one(fields[number]) for number in (4, 5, 6))
    # NumPy refuses an array whose axes, without the empty ones, would exceed the address space.
    largest = math.prod(max(length, 1) for length in shape) * dtype.itemsize
    if largest > sys.maxsize or size != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{label} has {size} bytes, which its shape and type do not take")
    return _Entry(name, dtype.newbyteorder("<"), shape, offset, size, checksum)


def _parse_shape(message):
    fields = read_message(message, SHAPE)
    if _take_one(fields[3]) or len(fields[2]) > MAX_AXES:
        raise ValueError(f"a tensor must have a known shape of at most {MAX_AXES} axes")
    return tuple(_take_one(read_message(axis, AXIS)[1]) for axis in fields[2])


def _take_one(values, default=0):
    """Returns the value of a field that a message has once or, if it is the default, not at all."""
    if len(values) > 1:
        raise ValueError("a field that must be there once comes twice")
    return values[0] if values else default


def _show(name):
    """Returns a name for messages, without control characters and not too long."""
    return ascii(name)[1:-1][:60]


def _read_tensors(path, entries):
    with _explain_errors(path), open(path, "rb") as file:
        _check_places(entries, os.fstat(file.fileno()).st_size)
        return {entry.name: _read_tensor(file, entry) for entry in entries}


def _check_places(entries, file_size):
    """Raises ValueError unless the tensors fill the file without gaps and without overlaps."""
    end = 0
    for entry in sorted(entries, key=lambda entry: (entry.offset, entry.size)):
        if entry.offset != end:
            found = f"{_show(entry.name)} starts at byte {entry.offset}"
            raise ValueError(f"by the index, {found}, but a tensor must start at byte {end}")
        end += entry.size
    if end != file_size:
        raise ValueError(f"by the index, it must have {end} bytes, not {file_size}")


def _read_tensor(file, entry):
    data = np.empty(entry.size, np.uint8)
    file.seek(entry.offset)
    is_whole = file.readinto(data) == entry.size
    if not is_whole or mask_crc32c(compute_crc32c(data)) != entry.checksum:
        raise ValueError(f"the checksum of {_show(entry.name)} is wrong")
    return data.view(entry.dtype).reshape(entry.shape)
