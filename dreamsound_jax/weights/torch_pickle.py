"""Reads the pickle of a PyTorch state dict without running what it asks for.

A pickle can call anything that it can name; this reader lets it name only what a state dict needs.
What it builds is plain data, which is checked before it is used.
"""

import collections
import io
import math
import pickle
import pickletools
import sys
from typing import NamedTuple

import ml_dtypes
import numpy as np

from dreamsound_jax.system.errors import UserError

MOST_TUPLES = 20_000  # a tensor takes four; Python crashes when it hashes 100,000 nested ones
MOST_AXES = 32
WRAPPINGS = ("state_dict", "model_state_dict", "model")
STORAGES = {
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
    """One member of the archive, as the pickle names it."""

    dtype: str
    key: str
    count: int


class Described(NamedTuple):
    """A tensor, as the pickle describes it: a view of a storage."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


def read_pickle(data, path, sizes):
    """{name: Described} of a state dict's pickle.

    Args:
      data: the pickle, bytes.
      path: of the file that it is from, for messages.
      sizes: {key of a storage: bytes that there are}.

    Raises:
      UserError: something else than a state dict; names what was asked for, and not run.
    """
    try:
        _check_opcodes(data)
        found = _named(path, _Unpickler(data, path).load())
        for described in found.values():
            _check(described, sizes.get(described.storage.key))
        return found
    except UserError:
        raise
    except Exception as error:  # a pickle can be wrong in every way
        raise UserError(f"{path} is damaged or not a state dict; {resave(path)}") from error


def resave(path):
    """How to save what this reader reads."""
    return f"in PyTorch, save the state dict alone: torch.save(model.state_dict(), {str(path)!r})"


def _check_opcodes(data):
    """Refuses what lets Python's unpickler take all memory, or crash."""
    tuples = 0
    for opcode, argument, _ in pickletools.genops(data):
        tuples += "TUPLE" in opcode.name and opcode.name != "EMPTY_TUPLE"
        if tuples > MOST_TUPLES or ("PUT" in opcode.name and argument > len(data)):
            raise ValueError("no state dict has so many")


class _Rebuild:
    """Stands in for PyTorch's function. Without attributes, so that no pickle can alter it."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, grad=False, hooks=None, metadata=None):
        if type(storage) is not Storage or metadata:  # which has bits like "to be negated"
            raise ValueError("not a plain tensor")
        return Described(storage, offset, shape, strides)


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
        **{("torch", name): dtype for name, dtype in STORAGES.items()},
    }

    def __init__(self, data, path):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._path = path

    def find_class(self, module, name):
        if (module, name) in self.allowed:
            return self.allowed[module, name]
        asked = ascii(f"{module}.{name}"[:100])[1:-1]
        raise UserError(
            f"{self._path} is no state dict: it asks for {asked}, which was not run, nor anything "
            f"else; if it is a whole model, {resave(self._path)}"
        )

    def persistent_load(self, pid):
        kind, dtype, key, location, count = pid
        texts = all(type(text) is str for text in (kind, dtype, key, location))
        if not texts or kind != "storage" or dtype not in STORAGES.values():
            raise ValueError("not a storage")
        return Storage(dtype, key, _whole(count))


def dtype_of(storage):
    """The numpy dtype of a `Storage`."""
    return np.dtype(ml_dtypes.bfloat16 if storage.dtype == "bfloat16" else storage.dtype)


def reach(shape, strides):
    """How many numbers lie from the first to the last."""
    last = sum((size - 1) * stride for size, stride in zip(shape, strides))
    return 0 if 0 in shape else 1 + last


def _whole(number):
    if type(number) is not int or number < 0:
        raise ValueError("not a whole number")
    return number


def _check(described, size):
    """Raises ValueError if a tensor is not inside its storage, a member of `size` bytes."""
    (storage, offset, shape, strides), itemsize = described, dtype_of(described.storage).itemsize
    if type(shape) is not tuple or type(strides) is not tuple or len(shape) != len(strides):
        raise ValueError("not a shape and its strides")
    for number in (offset, *shape, *strides):
        _whole(number)
    largest = math.prod(max(length, 1) for length in shape[:MOST_AXES]) * itemsize
    if len(shape) > MOST_AXES or largest > sys.maxsize or size != storage.count * itemsize:
        raise ValueError("not of a size that there is")
    if max(offset + reach(shape, strides), math.prod(shape)) > storage.count:
        raise ValueError("a tensor reaches beyond its storage")


def _named(path, found):
    """{name: Described} of what was pickled."""
    for wrapping in WRAPPINGS:
        if isinstance(found, dict) and isinstance(dict.get(found, wrapping), dict):
            found = dict.get(found, wrapping)
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path} holds no state dict; {resave(path)}")
    found = dict(dict.items(found))  # a pickle may have hidden an OrderedDict's own methods
    fits = {name: type(name) is str and type(it) is Described for name, it in found.items()}
    if others := [ascii(name)[:60].strip("'") for name, fit in fits.items() if not fit]:
        others = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        raise UserError(f"{path} is no state dict: {others} are no tensors; {resave(path)}")
    if all(name.startswith("module.") for name in found):  # of torch.nn.DataParallel
        found = {name.removeprefix("module."): it for name, it in found.items()}
    return found
