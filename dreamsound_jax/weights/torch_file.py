"""Reads a PyTorch state dict from its file, without PyTorch, a tensor at a time.

Such a file is a zip archive: a pickle that names the tensors, and one member for each storage.
"""

import contextlib
import math
import sys
import zipfile

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.torch_pickle import dtype_of, reach, read_pickle, resave

MOST_PICKLED = 16 * 2**20  # bytes: a state dict's pickle has kilobytes
CHUNK = 2**20  # bytes read at once


class StoredTensor:
    """A tensor in an open file; nothing of it is read until it is asked for.

    Attributes:
      shape: a tuple.
      dtype: a numpy dtype.
    """

    def __init__(self, archive, root, described, *, swapped):
        self.shape, self._strides = described.shape, described.strides
        self.dtype = dtype_of(described.storage)
        self._archive, self._member = archive, f"{root}data/{described.storage.key}"
        self._offset, self._swapped = described.offset, swapped

    def read(self):
        """The whole tensor, an array of its own.

        Raises:
          UserError: the file is damaged.
        """
        with self._storage() as storage:
            if self._is_contiguous():
                return self._numbers(storage, math.prod(self.shape)).reshape(self.shape)
            numbers = self._numbers(storage, reach(self.shape, self._strides))
        strides = [stride * self.dtype.itemsize for stride in self._strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides).copy()

    def blocks(self, rows):
        """Yields (start, array), up to `rows` entries of the first axis at a time.

        Raises:
          UserError: the file is damaged.
        """
        if not self._is_contiguous():
            whole = self.read()
            yield from ((at, whole[at : at + rows]) for at in range(0, self.shape[0], rows))
            return
        with self._storage() as storage:
            for start in range(0, self.shape[0], rows):
                shape = (min(rows, self.shape[0] - start), *self.shape[1:])
                yield start, self._numbers(storage, math.prod(shape)).reshape(shape)

    @contextlib.contextmanager
    def _storage(self):
        with _damage_named(self._archive.filename), self._archive.open(self._member) as storage:
            storage.seek(self._offset * self.dtype.itemsize)
            yield storage

    def _numbers(self, storage, count):
        data, at = np.empty(count * self.dtype.itemsize, np.uint8), 0
        while at < len(data):
            at += (got := storage.readinto(data[at : at + CHUNK]))
            if not got:
                raise EOFError("no more data")
        numbers = data.view(f"u{self.dtype.itemsize}")
        return (numbers.byteswap(inplace=True) if self._swapped else numbers).view(self.dtype)

    def _is_contiguous(self):
        steps = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        own = zip(self.shape, self._strides, steps)
        return 0 in self.shape or all(size == 1 or stride == step for size, stride, step in own)


@contextlib.contextmanager
def _damage_named(path):
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged: {reason_of(error)}") from error


@contextlib.contextmanager
def open_state_dict(path, *, verify=True):
    """Opens a PyTorch file: a context that gives {name: StoredTensor}.

    What is wrapped in {"state_dict": ...}, and names that all start with "module.", are unwrapped.

    Args:
      path: of a file that `torch.save(model.state_dict(), path)` of PyTorch 1.6 or newer wrote.
      verify: whether to read all of it once, and compare its checksums.

    Raises:
      UserError: the file cannot be read, is damaged, or is something else than a state dict.
    """
    with contextlib.ExitStack() as stack:
        try:
            start = stack.enter_context(open(path, "rb")).read(512)
        except OSError as error:
            raise UserError(f"cannot read {path}: {reason_of(error)}") from error
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except Exception:  # a file can be no archive in every way
            raise UserError(_what_it_is(path, start)) from None
        root = _root(path, archive)
        if verify:
            with _damage_named(path):
                if bad := archive.testzip():
                    raise zipfile.BadZipFile(f"Bad CRC-32 in {bad!r}")
        yield _tensors(path, archive, root)


def _what_it_is(path, start):
    """Why a file is no archive, by its first bytes."""
    if start.startswith(b"version https://git-lfs.github.com/spec/v1"):
        return (
            f"{path} is only Git LFS's pointer to the real file, which its download link or "
            "`git lfs pull` gets"
        )
    if start.startswith(b"PK"):
        return f"{path} is damaged or cut short"
    if start.startswith(b"\x80") or start[257:262] == b"ustar":
        return (
            f"{path} is in PyTorch's old format; re-save it with PyTorch 1.6 or newer: "
            f"torch.save(torch.load({str(path)!r}, map_location='cpu'), {str(path)!r})"
        )
    return f"{path} is no PyTorch file" + ("" if start else ": it is empty")


def _root(path, archive):
    """The folder in the archive that has all."""
    names = archive.namelist()
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        count = "more than one" if pickles else "no"
        raise UserError(f"{path} is no PyTorch file: {count} data.pkl in it")
    root = pickles[0].removesuffix("data.pkl")
    if any(name.startswith((f"{root}constants.pkl", f"{root}code/")) for name in names):
        raise UserError(f"{path} is a TorchScript program, nothing of it was run; {resave(path)}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise UserError(f"{path} is compressed, as PyTorch writes no file; {resave(path)}")
    return root


def _tensors(path, archive, root):
    size = archive.getinfo(f"{root}data.pkl").file_size
    if size > MOST_PICKLED:
        raise UserError(f"{path} is no state dict: its data.pkl has {size} bytes; {resave(path)}")
    storages = f"{root}data/"
    sizes = {
        info.filename.removeprefix(storages): info.file_size
        for info in archive.infolist()
        if info.filename.startswith(storages)
    }
    with _damage_named(path):
        found = read_pickle(archive.read(f"{root}data.pkl"), path, sizes)
        swapped = _byte_order(path, archive, root) != sys.byteorder
    return {
        name: StoredTensor(archive, root, described, swapped=swapped)
        for name, described in found.items()
    }


def _byte_order(path, archive, root):
    if f"{root}byteorder" not in archive.namelist():
        return "little"
    order = archive.read(f"{root}byteorder")
    if order not in (b"little", b"big"):
        raise UserError(f"{path} is damaged: its byte order is {order[:20]!r}")
    return order.decode()
