"""Reads a PyTorch state dict from its file, without PyTorch, and without running what is in it.

Such a file is a zip archive: a pickle that names the tensors, and one member for each storage. A
pickle can call anything that it can name; this reader lets it name only what a state dict needs.
"""

import collections
import contextlib
import math
import pickle
import zipfile
from typing import NamedTuple

import ml_dtypes
import numpy as np

from dreamsound_jax.errors import UserError, reason_of

MOST_PICKLED = 16 * 2**20  # bytes: a state dict's pickle has kilobytes
WRAPPINGS = ("state_dict", "model_state_dict", "model")
DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}


class StateDictFile:
    """The open archive, and where in it things are."""

    def __init__(self, path, archive):
        self.path, self.archive = path, archive
        pickles = [name for name in archive.namelist() if name.count("/") == 1]
        pickles = [name for name in pickles if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UserError(f"{path} is no PyTorch file: no data.pkl in it")
        self.root = pickles[0].removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise UserError(f"{path} is compressed, as PyTorch writes no file; save it anew")
        if self.root + "constants.pkl" in archive.namelist():
            raise UserError(f"{path} is a TorchScript program, no state dict; {_resave(path)}")

    def member(self, name):
        """Opens a member of the archive."""
        return self.archive.open(self.root + name)

    def size(self, name):
        """Bytes of a member."""
        return self.archive.getinfo(self.root + name).file_size

    def is_big_endian(self):
        """Whether it was written on a machine that puts the highest byte first."""
        if self.root + "byteorder" not in self.archive.namelist():
            return False
        return self.archive.read(self.root + "byteorder") == b"big"


class _Storage(NamedTuple):
    """What a pickle calls a storage; it cannot make one itself."""

    file: StateDictFile
    key: str
    dtype: np.dtype
    count: int


class StoredTensor(NamedTuple):
    """A tensor in the file; nothing of it is read until it is asked for."""

    file: StateDictFile
    key: str
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self):
        """The whole tensor, an array of its own."""
        count = math.prod(self.shape)
        if self._is_contiguous():
            with self._storage() as storage:
                return self._numbers(storage, count).reshape(self.shape)
        with self._storage() as storage:
            numbers = self._numbers(storage, self.reach() - self.offset)
        strides = [stride * self.dtype.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides).copy()

    def blocks(self, rows):
        """Yields (start, array), up to `rows` entries of the first axis at a time."""
        if not self._is_contiguous():
            whole = self.read()
            yield from ((at, whole[at : at + rows]) for at in range(0, len(whole), rows))
            return
        with self._storage() as storage:
            for start in range(0, self.shape[0], rows):
                shape = (min(rows, self.shape[0] - start), *self.shape[1:])
                yield start, self._numbers(storage, math.prod(shape)).reshape(shape)

    def reach(self):
        """The index, in its storage, of the place after its last number."""
        if 0 in self.shape:
            return self.offset
        return self.offset + 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides))

    @contextlib.contextmanager
    def _storage(self):
        with self.file.member(f"data/{self.key}") as storage:
            storage.seek(self.offset * self.dtype.itemsize)
            yield storage

    def _numbers(self, storage, count):
        bits = f"u{self.dtype.itemsize}"
        order = ">" if self.file.is_big_endian() else "<"
        data = storage.read(count * self.dtype.itemsize)
        return np.frombuffer(data, order + bits).astype(bits, copy=False).view(self.dtype)

    def _is_contiguous(self):
        return bool(self.shape) and self.strides == _contiguous_strides(self.shape)


def _contiguous_strides(shape):
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@contextlib.contextmanager
def open_state_dict(path):
    """Opens a PyTorch file: a context that gives {name: StoredTensor}.

    What is wrapped in {"state_dict": ...}, and names that all start with "module.", are unwrapped.

    Raises:
      UserError: the file cannot be read, is damaged, or is something else than a state dict; on
        leaving, too, if what was read in the meantime turns out to be damaged.
    """
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except OSError as error:
            raise UserError(f"cannot read {path}: {reason_of(error)}") from error
        except (zipfile.BadZipFile, NotImplementedError):
            raise UserError(_what_it_is(path)) from None
        file = StateDictFile(path, archive)
        tensors = _named_tensors(path, _unpickle(file))
        try:
            yield tensors
        except (zipfile.BadZipFile, EOFError) as error:  # a checksum that is wrong, or no more data
            raise UserError(f"{path} is damaged: {reason_of(error)}") from error


def _what_it_is(path):
    """Why a file is no archive."""
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        return (
            f"{path} is only Git LFS's pointer to the file; `git lfs pull` fetches the file itself"
        )
    if start.startswith(b"PK"):
        return f"{path} is damaged or cut short"
    if start.startswith(b"\x80") or b"ustar" in start or b"sys_info" in start:
        return (
            f"{path} is in PyTorch's old format; re-save it with PyTorch 1.6 or newer: "
            f"torch.save(torch.load({str(path)!r}, map_location='cpu'), {str(path)!r})"
        )
    return f"{path} is no PyTorch file" + ("" if start else ": it is empty")


def _resave(path):
    return f"in PyTorch, save the state dict alone: torch.save(model.state_dict(), {str(path)!r})"


def _unpickle(file):
    if file.size("data.pkl") > MOST_PICKLED:
        raise UserError(
            f"{file.path} is no state dict: its pickle is {file.size('data.pkl')} bytes"
        )
    try:
        with file.member("data.pkl") as pickled:
            return _Unpickler(pickled, file).load()
    except UserError:
        raise
    except Exception as error:  # a pickle can be wrong in every way
        reason = reason_of(error)
        raise UserError(f"{file.path} is damaged, or no state dict: {reason}") from error


class _Rebuild:
    """Stands in for PyTorch's functions. Without attributes, so that no pickle can alter it."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_):
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        *place, count = storage
        tensor = StoredTensor(*place, offset, tuple(shape), tuple(strides))
        numbers = (offset, *tensor.shape, *tensor.strides)
        whole = all(type(number) is int and number >= 0 for number in numbers)
        if not whole or len(tensor.shape) != len(tensor.strides) or tensor.reach() > count:
            raise ValueError("a tensor reaches beyond its storage")
        return tensor


class _Parameter:
    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


class _Unpickler(pickle.Unpickler):
    """Names nothing but what a state dict is made of, and so calls nothing else."""

    allowed = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
        ("torch._utils", "_rebuild_parameter"): _Parameter(),
        **{("torch", name): name for name in DTYPES},
    }

    def __init__(self, pickled, file):
        super().__init__(pickled, encoding="utf-8")
        self._file = file

    def find_class(self, module, name):
        if (module, name) not in self.allowed:
            raise UserError(
                f"{self._file.path} is no state dict: it asks for {module}.{name}, which was not "
                f"run; if it is a whole model, {_resave(self._file.path)}"
            )
        return self.allowed[module, name]

    def persistent_load(self, pid):
        kind, name, key, _, count = pid
        dtype = DTYPES[name]
        if kind != "storage" or type(key) is not str or type(count) is not int:
            raise ValueError(f"not a storage: {pid!r}")
        if self._file.size(f"data/{key}") != count * dtype.itemsize:
            raise ValueError(f"storage {key} has not the size that it should have")
        return _Storage(self._file, key, dtype, count)


def _named_tensors(path, found):
    for name in WRAPPINGS:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path} holds no state dict; {_resave(path)}")
    other = [str(name) for name, value in found.items() if not isinstance(value, StoredTensor)]
    if other or not all(isinstance(name, str) for name in found):
        raise UserError(f"{path} is no state dict: {', '.join(other)[:300]} are no tensors")
    if all(name.startswith("module.") for name in found):  # of torch.nn.DataParallel
        found = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    return dict(found)
