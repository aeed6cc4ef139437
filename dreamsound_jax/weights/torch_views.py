"""Tensors as the pickle of a PyTorch file describes them: views of storages, not yet read."""

import math
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import ml_dtypes
import numpy as np

MAX_AXES = 32
STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class Storage(NamedTuple):
    """One member of the archive, as the pickle describes it.

    Attributes:
      dtype: a name in `STORAGE_DTYPES`.
      key: the member's name.
      size: how many numbers it holds.
    """

    dtype: str
    key: str
    size: int


class TensorView(NamedTuple):
    """A tensor, as the pickle describes it: a view of a storage.

    The offset and the strides count numbers, not bytes.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class UnreadTensor:
    """A tensor of a kind that is not read.

    Attributes:
      kind: what it is, such as "a sparse tensor".
      remedy: what to save in its place.
      shape, dtype: those of no tensor that is read.
    """

    kind: str
    remedy: str
    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[np.dtype] = np.dtype(object)


def numpy_dtype(storage: Storage) -> np.dtype:
    """Returns the NumPy dtype of a storage."""
    return np.dtype(ml_dtypes.bfloat16 if storage.dtype == "bfloat16" else storage.dtype)


def count_spanned_numbers(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Counts the numbers of the storage from a view's first to its last one."""
    last = sum((length - 1) * stride for length, stride in zip(shape, strides))
    return 0 if 0 in shape else 1 + last


def check_count(number: Any) -> None:
    """Raises ValueError unless a number counts something."""
    if type(number) is not int or number < 0:
        raise ValueError("not a whole number")


def check_view(view: TensorView, storage_size: int | None) -> None:
    """Raises ValueError if a view reaches beyond its storage, which has `storage_size` bytes."""
    storage, offset, shape, strides = view
    itemsize = numpy_dtype(storage).itemsize
    if type(shape) is not tuple or type(strides) is not tuple or len(shape) != len(strides):
        raise ValueError("not a shape and its strides")
    for number in (offset, *shape, *strides):
        check_count(number)
    # NumPy refuses an array whose axes, without the empty ones, would exceed the address space.
    largest = math.prod(max(length, 1) for length in shape[:MAX_AXES]) * itemsize
    if len(shape) > MAX_AXES or largest > sys.maxsize:
        raise ValueError("too large for an array")
    if storage_size != storage.size * itemsize:
        raise ValueError("the storage has another size")
    if max(offset + count_spanned_numbers(shape, strides), math.prod(shape)) > storage.size:
        raise ValueError("a tensor reaches beyond its storage")
