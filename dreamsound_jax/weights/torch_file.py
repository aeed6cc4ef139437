"""Reads a PyTorch state dict from its file, without PyTorch and one tensor at a time.

The file is a ZIP archive. It holds a pickle that describes the tensors and one member for each
storage, the memory that one or more tensors are views of.
"""

import contextlib
import math
import os
import sys
import zipfile
from collections.abc import Iterator

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.torch_pickle import (
    advise_to_save_state_dict,
    count_spanned_numbers,
    numpy_dtype,
    read_state_dict_pickle,
)

MAX_PICKLE_BYTES = 16 * 2**20  # The pickle of a state dict has only a few kilobytes.
READ_BYTES = 2**20  # Bytes that are read from the archive at a time.


class StoredTensor:
    """A tensor in an open file. Its numbers are read only when they are asked for.

    Attributes:
      shape: a tuple of integers.
      dtype: a NumPy dtype.
    """

    def __init__(self, archive, root, view, *, swap_bytes):
        self.shape, self._strides = view.shape, view.strides
        self.dtype = numpy_dtype(view.storage)
        self._archive, self._member = archive, f"{root}data/{view.storage.key}"
        self._offset, self._swap_bytes = view.offset, swap_bytes

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
        with _report_damage(self._archive.filename), self._archive.open(self._member) as storage:
            storage.seek(self._offset * self.dtype.itemsize)
            yield storage

    def _read_numbers(self, storage, count):
        data, position = np.empty(count * self.dtype.itemsize, np.uint8), 0
        while position < len(data):
            received = storage.readinto(data[position : position + READ_BYTES])
            if not received:
                raise EOFError("the file ends too early")
            position += received
        numbers = data.view(f"u{self.dtype.itemsize}")
        return (numbers.byteswap(inplace=True) if self._swap_bytes else numbers).view(self.dtype)

    def _is_contiguous(self):
        if 0 in self.shape:
            return True
        expected = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        axes = zip(self.shape, self._strides, expected)
        return all(length == 1 or stride == step for length, stride, step in axes)


@contextlib.contextmanager
def open_state_dict(path: str | os.PathLike) -> Iterator[dict[str, StoredTensor]]:
    """Opens a PyTorch file, and gives {name: StoredTensor} as a context manager.

    All checksums are verified first. A state dict inside of {"state_dict": ...} or another of
    `WRAPPERS` is found, and what lies beside it is ignored. Names are
    as they are stored.

    Args:
      path: a file that `torch.save(model.state_dict(), path)` of PyTorch 1.6 or newer wrote.

    Raises:
      UserError: the file cannot be read, is damaged, or is not a state dict.
    """
    with contextlib.ExitStack() as stack:
        try:
            start = stack.enter_context(open(path, "rb")).read(512)
        except OSError as error:
            raise UserError(f"cannot read {path}: {reason_of(error)}") from error
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except Exception:  # Arbitrary bytes make zipfile raise many kinds of errors.
            raise UserError(_explain_missing_archive(path, start)) from None
        root = _find_root(path, archive)
        with _report_damage(path):
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"Bad CRC-32 in {damaged!r}")
        yield _describe_tensors(path, archive, root)


@contextlib.contextmanager
def _report_damage(path):
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged: {reason_of(error)}") from error


def _explain_missing_archive(path, start):
    """Explains from the first bytes of a file why it is not a ZIP archive."""
    if start.startswith(b"version https://git-lfs.github.com/spec/v1"):
        return (
            f"{path} is only a Git LFS pointer to the file; run `git lfs pull` or use the download "
            "link to get the file itself"
        )
    if start.startswith(b"PK"):
        return f"{path} is damaged or cut short"
    if start.startswith(b"\x80") or start[257:262] == b"ustar":
        return (
            f"{path} is in PyTorch's old format; save it again with PyTorch 1.6 or newer: "
            f"torch.save(torch.load({str(path)!r}, map_location='cpu'), {str(path)!r})"
        )
    return f"{path} is not a PyTorch file, nor a safetensors file" + (
        "" if start else ": it is empty"
    )


def _find_root(path, archive):
    """Finds the folder inside the archive that holds all members."""
    names = archive.namelist()
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        count = "more than one" if pickles else "no"
        raise UserError(f"{path} is not a PyTorch file: it has {count} data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if any(name.startswith((f"{root}constants.pkl", f"{root}code/")) for name in names):
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is a TorchScript program, which was not run; {advice}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is compressed, which PyTorch never does; {advice}")
    return root


def _describe_tensors(path, archive, root):
    """Returns {name: StoredTensor} as the archive's pickle describes them."""
    size = archive.getinfo(f"{root}data.pkl").file_size
    if size > MAX_PICKLE_BYTES:
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is not a state dict: its data.pkl has {size} bytes; {advice}")
    prefix = f"{root}data/"
    storage_sizes = {
        info.filename.removeprefix(prefix): info.file_size
        for info in archive.infolist()
        if info.filename.startswith(prefix)
    }
    with _report_damage(path):
        views = read_state_dict_pickle(archive.read(f"{root}data.pkl"), path, storage_sizes)
        swap_bytes = _read_byte_order(path, archive, root) != sys.byteorder
    return {
        name: StoredTensor(archive, root, view, swap_bytes=swap_bytes)
        for name, view in views.items()
    }


def _read_byte_order(path, archive, root):
    if f"{root}byteorder" not in archive.namelist():
        return "little"
    order = archive.read(f"{root}byteorder")
    if order not in (b"little", b"big"):
        raise UserError(f"{path} is damaged: its byte order is {order[:20]!r}")
    return order.decode()
