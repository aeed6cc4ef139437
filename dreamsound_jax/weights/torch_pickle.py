"""Reads the pickle of a PyTorch state dict without running any code that it names.

A pickle can call everything that it can name. This reader only resolves the few names that a state
dict needs. It builds plain data, which is checked before it is used.
"""

import collections
import io
import os
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_nesting import advise_to_save_state_dict, extract_state_dict
from dreamsound_jax.weights.torch_views import (
    STORAGE_DTYPES,
    Storage,
    TensorView,
    check_count,
    check_view,
)

MAX_PICKLE_BYTES = 16 * 2**20  # The pickle of a state dict has only a few kilobytes.
# A tensor takes four tuples. Python crashes when it hashes 100,000 nested ones.
MAX_TUPLES = 20_000
NUMPY_BUILDERS = ("_reconstruct", "scalar")
# What NumPy's arrays and numbers consist of, in versions before and since 2.0.
IGNORED_NAMES = (
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in NUMPY_BUILDERS),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    ("_codecs", "encode"),
)


def read_state_dict_pickle(
    data: bytes,
    path: str | os.PathLike,
    measure_storages: Callable[[Mapping[str, Storage]], Mapping[str, int]],
) -> dict[str, TensorView]:
    """Reads the pickle of a state dict.

    Args:
      data: the pickle.
      path: the file that it comes from, for messages.
      measure_storages: returns {key: size in bytes} of the storages that the file really has; it
        takes {key: storage} as the pickle describes them.

    Returns:
      {name: TensorView}, each inside of its storage.

    Raises:
      UserError: the pickle is not a plain state dict. If it asks for a function that a state dict
        does not need, the message names it.
    """
    try:
        _check_opcodes(data)
        unpickler = _StateDictUnpickler(data, path)
        views = extract_state_dict(path, unpickler.load())
        sizes = measure_storages(unpickler.storages)
        for view in views.values():
            check_view(view, sizes.get(view.storage.key))
        return views
    except UserError:
        raise
    except Exception as error:  # Arbitrary bytes make pickle raise many kinds of errors.
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is damaged or not a state dict; {advice}") from error


def cut_first_pickle(file: IO[bytes]) -> bytes:
    """Returns the bytes of the pickle that begins at a file's position, and moves to its end.

    Raises:
      ValueError: the pickle has no end within `MAX_PICKLE_BYTES`.
    """
    start, stream = file.tell(), io.BytesIO(file.read(MAX_PICKLE_BYTES))
    collections.deque(pickletools.genops(stream), maxlen=0)  # This reads to the pickle's end.
    file.seek(start + stream.tell())
    return stream.getvalue()[: stream.tell()]


def load_plain_pickle(data: bytes) -> Any:
    """Reads numbers, strings, lists and dictionaries; raises an error if the pickle has others."""
    _check_opcodes(data)
    return _PlainUnpickler(io.BytesIO(data)).load()


def _check_opcodes(data):
    """Refuses pickles that make Python's unpickler take all memory, or crash."""
    tuples = 0
    for opcode, argument, _ in pickletools.genops(data):
        tuples += "TUPLE" in opcode.name and opcode.name != "EMPTY_TUPLE"
        if tuples > MAX_TUPLES or ("PUT" in opcode.name and argument > len(data)):
            raise ValueError("too many objects for a state dict")


class _RebuildTensor:
    """Takes the place of PyTorch's function. It has no attributes that a pickle could change."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, grad=False, hooks=None, metadata=None):
        # The metadata of a tensor can say, for example, that its numbers are to be negated.
        if type(storage) is not Storage or metadata:
            raise ValueError("not a plain tensor")
        return TensorView(storage, offset, shape, strides)


class _RebuildParameter:
    """Takes the place of PyTorch's function, which wraps a tensor. It has no attributes either."""

    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


class _Ignored:
    """Takes the place of everything of NumPy's. It keeps nothing, and does nothing.

    NumPy's numbers and arrays beside a state dict, such as a loss or the state of a sampler, are of
    no use here.
    """

    __slots__ = ()

    def __call__(self, *_):
        return self

    def __setstate__(self, _):
        pass


class _PlainUnpickler(pickle.Unpickler):
    """Resolves no name, so it can call nothing."""

    def find_class(self, module, name):
        raise ValueError("not plain data")


class _StateDictUnpickler(pickle.Unpickler):
    """Resolves only the names that a state dict consists of, so it can call nothing else.

    Attributes:
      storages: {key: storage} that the pickle has named so far.
    """

    allowed = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
        ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
        **{("torch", name): dtype for name, dtype in STORAGE_DTYPES.items()},
        **dict.fromkeys(IGNORED_NAMES, _Ignored()),
    }

    def __init__(self, data, path):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module, name):
        if (module, name) in self.allowed:
            return self.allowed[module, name]
        requested = ascii(f"{module}.{name}"[:100])[1:-1]
        raise UserError(
            f"{self._path} is not a state dict: it asks for {requested}, which was not run; if the "
            f"file holds a whole model, {advise_to_save_state_dict(self._path)}"
        )

    def persistent_load(self, pid):
        # Files of PyTorch before 1.6 have one more entry, None unless it is a view of another.
        kind, dtype, key, location, count, *view = pid
        are_strings = all(type(value) is str for value in (kind, dtype, key, location))
        is_storage = are_strings and kind == "storage" and view in ([], [None])
        if not is_storage or dtype not in STORAGE_DTYPES.values():
            raise ValueError("not a storage")
        check_count(count)
        storage = self.storages[key] = Storage(dtype, key, count)
        return storage
