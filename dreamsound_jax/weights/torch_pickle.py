"""Reads the pickle of a PyTorch state dict without running any code that it names."""

import collections
import io
import os
from collections.abc import Callable, Collection, Mapping
from typing import IO, Any

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.advice import advise_to_save_state_dict
from dreamsound_jax.weights.torch_nesting import extract_state_dict
from dreamsound_jax.weights.torch_unpickler import (
    IGNORED,
    MAX_NAME_BYTES,
    MAX_PICKLE_BYTES,
    Ignored,
    NamingUnpickler,
    PlainUnpickler,
    iterate_opcodes,
    make_dictionary,
)
from dreamsound_jax.weights.torch_views import (
    STORAGE_DTYPES,
    Storage,
    TensorView,
    UnreadTensor,
    check_count,
    check_view,
)

STORAGE_ENTRIES = (5, 6)  # Files of PyTorch before 1.6 have one more.
PLAIN = "save a plain tensor in its place"
SPARSE = UnreadTensor("a sparse tensor", "save its to_dense() in its place")
OTHER_NUMBERS = UnreadTensor("a tensor of another kind of numbers", "save its float() in its place")
ARRAY = UnreadTensor("a NumPy array", "save torch.from_numpy(array) in its place")
UNREAD = {
    ("torch._utils", "_rebuild_sparse_tensor"): SPARSE,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): SPARSE,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): UnreadTensor(
        "a meta tensor, which has no numbers", "save a model into which its weights were loaded"
    ),
    ("torch._utils", "_rebuild_qtensor"): UnreadTensor(
        "a quantized tensor", "save its dequantize() in its place"
    ),
    ("torch._utils", "_rebuild_nested_tensor"): UnreadTensor("a nested tensor", PLAIN),
    ("torch._utils", "_rebuild_wrapper_subclass"): UnreadTensor("a tensor of its own class", PLAIN),
    ("torch._utils", "_rebuild_tensor_v3"): OTHER_NUMBERS,
    ("numpy.core.multiarray", "_reconstruct"): ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): ARRAY,
}
"""{what a pickle calls to make a tensor that is not read: what that is}."""


def read_state_dict_pickle(
    data: bytes,
    path: str | os.PathLike,
    measure_storages: Callable[[Mapping[str, Storage]], Mapping[str, int]],
    wanted: Collection[str] = (),
) -> dict[str, TensorView | UnreadTensor]:
    """Reads the pickle of a state dict.

    Args:
      data: the pickle.
      path: the file that it comes from, for messages.
      measure_storages: returns {key: size in bytes} of the storages that the file really has; it
        takes {key: storage} as the pickle describes them.
      wanted: names of tensors of the network; see `extract_state_dict`.

    Returns:
      {name: TensorView}, each inside of its storage; or what else a tensor is that is not read.

    Raises:
      UserError: the pickle holds no state dict, or asks for a function that no checkpoint needs,
        which the message names.
    """
    try:
        unpickler = _StateDictUnpickler(data, path)
        content = unpickler.load()
        views = extract_state_dict(path, content, wanted=wanted, ignored=[*unpickler.ignored])
        sizes = measure_storages(unpickler.storages)
        for view in views.values():
            if isinstance(view, TensorView):
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
      ValueError: the pickle has no end within `MAX_PICKLE_BYTES`, or has too many objects.
    """
    start, stream = file.tell(), io.BytesIO(file.read(MAX_PICKLE_BYTES))
    collections.deque(iterate_opcodes(stream), maxlen=0)  # This reads to the pickle's end.
    file.seek(start + stream.tell())
    return stream.getvalue()[: stream.tell()]


def load_plain_pickle(data: bytes) -> Any:
    """Reads numbers, strings, lists and dictionaries; raises an error if the pickle has others."""
    return PlainUnpickler(data).load()


def _rebuild_tensor(storage, offset, shape, strides, grad=False, hooks=None, metadata=None):
    if type(storage) is Ignored:
        return Ignored(OTHER_NUMBERS)
    # The metadata of a tensor can say, for example, that its numbers are to be negated.
    if type(storage) is not Storage or metadata:
        raise ValueError("not a plain tensor")
    return TensorView(storage, offset, shape, strides)


def _unwrap_tensor(tensor, *_):
    """Takes the place of the functions that wrap a tensor, such as a parameter."""
    return tensor


def _encode_name(text, encoding):
    """Takes the place of `_codecs.encode`, which PyTorch calls for bytes; longer ones are data."""
    if type(text) is str and len(text) <= MAX_NAME_BYTES and encoding == "latin1":
        return text.encode("latin1")
    return IGNORED


def _ignore_as(tensor):
    """Returns a function that takes the place of one that makes a tensor that is not read."""
    return lambda *_: Ignored(tensor)


class _StateDictUnpickler(NamingUnpickler):
    """Resolves the names that a state dict consists of.

    Attributes:
      storages: {key: storage} that the pickle has named so far.
    """

    known = {
        ("collections", "OrderedDict"): make_dictionary,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _unwrap_tensor,
        ("torch._utils", "_rebuild_parameter_with_state"): _unwrap_tensor,
        ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _unwrap_tensor,
        ("_codecs", "encode"): _encode_name,
        **{name: _ignore_as(tensor) for name, tensor in UNREAD.items()},
        **{("torch", name): dtype for name, dtype in STORAGE_DTYPES.items()},
    }

    def __init__(self, data, path):
        super().__init__(data, self.known, self._refuse_name)
        self._path = path
        self.storages = {}

    def _refuse_name(self, name):
        return UserError(
            f"{self._path} is not a state dict: it asks for {name}, which was not run; do not open "
            "it with PyTorch unless you trust whoever made it"
        )

    def persistent_load(self, pid):
        if type(pid) is tuple and len(pid) == 4 and pid[0] == "module":
            return IGNORED  # A class, with its source, of a whole model.
        if type(pid) is not tuple or len(pid) not in STORAGE_ENTRIES:
            raise ValueError("not a storage")
        kind, dtype, key, location, count, *view = pid
        if dtype is IGNORED:  # Numbers of a kind that no network here has, such as complex ones.
            return IGNORED
        are_strings = all(type(value) is str for value in (kind, dtype, key, location))
        # The last entry is None unless the storage is a view of another.
        is_storage = are_strings and kind == "storage" and all(each is None for each in view)
        if not is_storage or dtype not in STORAGE_DTYPES.values():
            raise ValueError("not a storage")
        check_count(count)
        storage = self.storages[key] = Storage(dtype, key, count)
        return storage
