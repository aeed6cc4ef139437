"""Unpickles plain data, and nothing else, in bounded memory and time.

A pickle can call everything that it can name, and a short one can ask for much memory or time. This
unpickler knows a few functions of its own. Whatever else a pickle names is replaced by an object
that keeps nothing and does nothing, so a checkpoint may hold settings and counters beside weights.
"""

import io
import itertools
import pickle
import pickletools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import IO, Any, ClassVar

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_views import UnreadTensor

MAX_PICKLE_BYTES = 16 * 2**20  # The pickle of a state dict has only a few kilobytes.
MAX_OPCODES = 500_000  # A tensor takes about 40, and its optimizer's state 80 more.
MAX_ARGUMENTS = 10
MAX_NAME_BYTES = 256
# A whole number in a state dict counts something. A longer one would take long to multiply.
MAX_LONG_BYTES = 8
# Those that pickle and torch.save write. What copies or shares without a name is not among them.
OPCODES = frozenset(
    ("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE")
    + ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT")
    + ("BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE")
    + ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES")
    + ("BINBYTES8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST")
    + ("LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS")
    + ("EMPTY_SET", "ADDITEMS", "FROZENSET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD")
    + ("NEWOBJ", "NEWOBJ_EX", "BINPERSID", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
    + ("GET", "BINGET", "LONG_BINGET")
)  # fmt: skip
# Modules of Python whose objects are only data. Other modules of Python are never named by a
# checkpoint that is what it seems.
DATA_MODULES = frozenset(
    ("argparse", "collections", "copyreg", "copy_reg", "dataclasses", "datetime", "decimal")
    + ("enum", "fractions", "pathlib", "types", "uuid", "_codecs")
)  # fmt: skip
DATA_BUILTINS = frozenset(
    ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object")
    + ("range", "set", "slice", "str", "tuple", "type")
)  # fmt: skip
OLD_MODULES = frozenset(["__builtin__", "commands", "exceptions", "posix", "nt"])


class Ignored:
    """Takes the place of all that a checkpoint names besides tensors that are read.

    Attributes:
      tensor: what it is if it is a tensor of another kind.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: UnreadTensor | None = None) -> None:
        self.tensor = tensor


IGNORED = Ignored()


def make_dictionary(pairs: Iterable = ()) -> dict:
    """Takes the place of `collections.OrderedDict`."""
    return put_items({}, pairs)


def put_items(target: dict, pairs: Iterable) -> dict:
    """Adds items to a dictionary, without those whose keys are not words or numbers.

    The hash of other keys may take for ever: that of a tuple is computed from all that it holds.
    Names that were saved as bytes become words.
    """
    for key, value in pairs:
        if type(key) is bytes and len(key) <= MAX_NAME_BYTES:
            key = key.decode("utf-8", errors="surrogateescape")
        if type(key) in (str, int, float, bool):
            target[key] = value
    return target


def check_opcodes(data: bytes) -> None:
    """Raises ValueError for a pickle that state dicts do not have, or that is too large for one."""
    if len(data) > MAX_PICKLE_BYTES:
        raise ValueError("too large for a state dict")
    for opcode, argument in iterate_opcodes(io.BytesIO(data)):
        if opcode not in OPCODES:
            raise ValueError(f"a state dict has no {opcode}")
        if type(argument) is int and argument.bit_length() > 8 * MAX_LONG_BYTES:
            raise ValueError("too large a number for a state dict")


def iterate_opcodes(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Yields (name, argument) of each opcode; ValueError if there are more than `MAX_OPCODES`."""
    opcodes = pickletools.genops(stream)
    for opcode, argument, _ in itertools.islice(opcodes, MAX_OPCODES):
        yield opcode.name, argument
    if next(opcodes, None):
        raise ValueError("too many objects for a state dict")


# The unpickler in Python, not that in C, lets each opcode be replaced by a safe one.
class PlainUnpickler(pickle._Unpickler):
    """Builds numbers, strings, tuples, lists and dictionaries, and resolves no name."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list
    append: Callable[[Any], None]
    pop_mark: Callable[[], list]

    def __init__(self, data: bytes) -> None:
        check_opcodes(data)
        # Strings of Python 2 may be bytes of anything.
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        self._copied = 0

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError("not plain data")

    def _call(self, function, arguments):
        if type(arguments) is not tuple:
            raise ValueError("not arguments")
        if type(function) is Ignored:
            return IGNORED
        if type(function) is not FunctionType or len(arguments) > MAX_ARGUMENTS:
            raise ValueError("not a function of a state dict")
        # A list can be copied again and again.
        self._copied += sum(len(each) for each in arguments if type(each) is list)
        if self._copied > MAX_OPCODES:
            raise ValueError("too many objects for a state dict")
        return function(*arguments)

    def _put(self, pairs):
        if type(self.stack[-1]) is not Ignored:
            if type(self.stack[-1]) is not dict:
                raise ValueError("not a dictionary")
            put_items(self.stack[-1], pairs)

    def _extend(self, values):
        if type(self.stack[-1]) is not Ignored:
            if type(self.stack[-1]) is not list:
                raise ValueError("not a list")
            self.stack[-1].extend(values)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([(key, value)])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._put(zip(items[::2], items[1::2]))

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append(put_items({}, zip(items[::2], items[1::2])))

    def load_append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def load_appends(self) -> None:
        values = self.pop_mark()
        self._extend(values)

    def load_empty_set(self) -> None:
        self.append(IGNORED)

    def load_additems(self) -> None:
        self.pop_mark()

    def load_frozenset(self) -> None:
        self.pop_mark()
        self.append(IGNORED)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def load_newobj_ex(self) -> None:
        self.stack.pop()
        self.load_reduce()

    def load_build(self) -> None:
        """Drops the state of an object: no attribute is ever set."""
        self.stack.pop()
        if type(self.stack[-1]) not in (Ignored, dict):
            raise ValueError("not an object with a state")

    for _opcode, _load in (
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.DICT, load_dict),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.EMPTY_SET, load_empty_set),
        (pickle.ADDITEMS, load_additems),
        (pickle.FROZENSET, load_frozenset),
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_reduce),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
    ):
        dispatch[_opcode[0]] = _load


class NamingUnpickler(PlainUnpickler):
    """Resolves the names that it is given, and replaces others by `IGNORED`.

    Args:
      data: the pickle.
      known: {(module, name): function or word}.
      refuse: takes the name of what a checkpoint never needs, such as `os.system`, and returns the
        error to raise.

    Attributes:
      ignored: the names that were replaced, in their order.
    """

    def __init__(
        self, data: bytes, known: dict[tuple[str, str], Any], refuse: Callable[[str], UserError]
    ) -> None:
        super().__init__(data)
        self._known, self._refuse = known, refuse
        self.ignored: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._known:
            return self._known[module, name]
        named = ascii(f"{module[:100]}.{name[:100]}")[1:-1]
        if _is_suspicious(module, name):
            raise self._refuse(named)
        self.ignored[named] = None
        return IGNORED


def _is_suspicious(module, name):
    first = module.split(".")[0]
    if first in ("builtins", "__builtin__"):
        return name not in DATA_BUILTINS
    is_pythons = first in sys.stdlib_module_names or first in OLD_MODULES
    return is_pythons and module not in DATA_MODULES
