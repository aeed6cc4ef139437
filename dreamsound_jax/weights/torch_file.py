"""Reads a PyTorch state dict from its file, without PyTorch and one tensor at a time.

A file holds a pickle that describes the tensors, and the storages, the memory that one or more
tensors are views of. `torch_archive.py` and `torch_legacy.py` find them in the two formats.
"""

import contextlib
import math
import os
from collections.abc import Collection, Iterator

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.advice import name_another_file
from dreamsound_jax.weights.foreign_files import describe_start
from dreamsound_jax.weights.torch_archive import Archive, report_damage
from dreamsound_jax.weights.torch_legacy import START as LEGACY_START
from dreamsound_jax.weights.torch_legacy import LegacyFile
from dreamsound_jax.weights.torch_pickle import read_state_dict_pickle
from dreamsound_jax.weights.torch_views import (
    TensorView,
    UnreadTensor,
    count_spanned_numbers,
    numpy_dtype,
)

OLDEST_MEMBERS = (b"pickle", b"storages", b"tensors", b"sys_info")
READ_BYTES = 2**20  # Bytes that are read from the archive at a time.


class StoredTensor:
    """A tensor in an open file. Its numbers are read only when they are asked for.

    Attributes:
      shape: a tuple of integers.
      dtype: a NumPy dtype.
    """

    def __init__(self, file, view):
        self.shape, self._strides = view.shape, view.strides
        self.dtype = numpy_dtype(view.storage)
        self._file, self._key, self._offset = file, view.storage.key, view.offset

    def read(self) -> np.ndarray:
        """Reads the whole tensor into a new array.

        Raises:
          UserError: the file is damaged.
        """
        with self._open_storage() as storage:
            if self._is_contiguous():
                return self._read_numbers(storage, math.prod(self.shape)).reshape(self.shape)
            numbers = self._read_numbers(storage, count_spanned_numbers(self.shape, self._strides))
        strides = [stride * self.dtype.itemsize for stride in self._strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides).copy()

    def read_blocks(self, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (index of the first row, array of up to `rows` rows) along the first axis.

        Raises:
          UserError: the file is damaged.
        """
        if not self._is_contiguous():
            tensor = self.read()
            for start in range(0, self.shape[0], rows):
                yield start, tensor[start : start + rows]
            return
        with self._open_storage() as storage:
            for start in range(0, self.shape[0], rows):
                shape = (min(rows, self.shape[0] - start), *self.shape[1:])
                yield start, self._read_numbers(storage, math.prod(shape)).reshape(shape)

    @contextlib.contextmanager
    def _open_storage(self):
        offset = self._offset * self.dtype.itemsize
        with report_damage(self._file.path), self._file.open_storage(self._key, offset) as storage:
            yield storage

    def _read_numbers(self, storage, count):
        data, position = np.empty(count * self.dtype.itemsize, np.uint8), 0
        while position < len(data):
            received = storage.readinto(data[position : position + READ_BYTES])
            if not received:
                raise EOFError("the file ends too early")
            position += received
        numbers = data.view(f"u{self.dtype.itemsize}")
        return (numbers.byteswap(inplace=True) if self._file.swaps_bytes else numbers).view(
            self.dtype
        )

    def _is_contiguous(self):
        if 0 in self.shape:
            return True
        expected = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        axes = zip(self.shape, self._strides, expected)
        return all(length == 1 or stride == step for length, stride, step in axes)


@contextlib.contextmanager
def open_state_dict(
    path: str | os.PathLike, wanted: Collection[str] = ()
) -> Iterator[dict[str, StoredTensor | UnreadTensor]]:
    """Opens a PyTorch file, and gives {name: StoredTensor} as a context manager.

    Beside them, a tensor of a kind that is not read is an `UnreadTensor`.

    The checksums of an archive are verified first; files of PyTorch before 1.6 have none. A state
    dict inside of {"state_dict": ...}, or of another entry, is found, and what lies beside it is
    ignored. Names are as they are stored.

    Args:
      path: a file that `torch.save(model.state_dict(), path)` wrote.

      wanted: names of tensors of the network. Of several state dicts, the one that holds them is
        read.

    Raises:
      UserError: the file cannot be read, is damaged, or is not a state dict.
    """
    with contextlib.ExitStack() as stack:
        file = _open_file(path, stack)
        views = read_state_dict_pickle(file.pickled, path, file.measure_storages, wanted)
        yield {
            name: StoredTensor(file, view) if isinstance(view, TensorView) else view
            for name, view in views.items()
        }


def _open_file(path, stack):
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error
    is_legacy = start.startswith(LEGACY_START)
    try:
        return (LegacyFile if is_legacy else Archive)(path, stack)
    except UserError:
        raise
    except Exception:  # Arbitrary bytes make zipfile and pickle raise many kinds of errors.
        raise UserError(_explain_unreadable_file(path, start)) from None


def _explain_unreadable_file(path, start):
    """Explains from the first bytes of a file why it cannot be read."""
    if start.startswith((b"PK", LEGACY_START)):
        return f"{path} is damaged or cut short"
    if start[257:262] == b"ustar" and start.startswith(OLDEST_MEMBERS):
        return (
            f"{path} is in PyTorch's oldest format; save it again with PyTorch 1.6 or newer: "
            f"torch.save(torch.load({str(path)!r}, map_location='cpu'), "
            f"{str(name_another_file(path))!r})"
        )
    kind = describe_start(start) or "is damaged, or of no known kind"
    return f"{path} is not a PyTorch file, nor a safetensors file: it {kind}"
