"""Finds the state dict in what a PyTorch file holds, and says what to save if there is none."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.advice import advise_to_save_state_dict, show_name
from dreamsound_jax.weights.torch_names import holds_names
from dreamsound_jax.weights.torch_unpickler import Ignored
from dreamsound_jax.weights.torch_views import TensorView, UnreadTensor

# Where there are several state dicts, such as the averaged one of `model_ema`, these are read.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
MAX_DEPTH = 5  # How deep a state dict may lie in other dictionaries, lists and tuples.
MAX_SEARCHED = 100_000  # Dictionaries, lists and tuples that are searched.
CONTAINERS = (dict, list, tuple)
OPTIMIZER_ENTRY = "param_groups"  # An optimizer's state holds tensors, too.
# What a pickle names to describe arrays and tensors, beside the functions that make them.
_NAMES_OF_DATA = re.compile(r"numpy[.].*|torch[.]\w+|torch[.]serialization[.]_get_layout")
LISTED = 8  # Names that a message lists.


class _Found(NamedTuple):
    """A dictionary that holds tensors, and the names of the entries that lead to it."""

    place: tuple[str, ...]
    tensors: dict[str, TensorView | UnreadTensor]

    @property
    def can_be_read(self) -> bool:
        return any(isinstance(tensor, TensorView) for tensor in self.tensors.values())


def extract_state_dict(
    path: str | os.PathLike,
    content: Any,
    *,
    wanted: Collection[str] = (),
    ignored: Sequence[str] = (),
) -> dict[str, TensorView | UnreadTensor]:
    """Returns {name: TensorView} of an unpickled object.

    A state dict may lie inside of others under any name, such as {"state_dict": ...}. Whatever lies
    beside tensors, such as the number of an epoch, is left out. Tensors of kinds that are not read
    are told as `UnreadTensor`.

    Args:
      path: the file, for messages.
      content: what the file's pickle holds.
      wanted: names of tensors of the network. Of several state dicts, those that hold them count.
      ignored: the names of classes and functions that the pickle asked for in vain.

    Raises:
      UserError: it holds no state dict, or several.
    """
    found = list(_find_state_dicts(content))
    readable = [each for each in found if each.can_be_read]
    fitting = [each for each in readable if wanted and holds_names(each.tensors, wanted)]
    fitting = fitting or readable
    if not fitting:
        named = [each for each in found if wanted and holds_names(each.tensors, wanted)]
        raise UserError(_explain_missing(path, content, ignored, found=found, named=named))
    if len(fitting) > 1:
        fitting = _choose_by_wrapper(fitting)
    if len(fitting) > 1:
        places = [".".join(each.place) or "the file itself" for each in fitting]
        raise UserError(
            f"{path} holds several state dicts, under {_list_names(places)}: save the one that you "
            "want alone, in another file"
        )
    return fitting[0].tensors


def describe_unread(tensors: Mapping[str, TensorView | UnreadTensor | Any]) -> str:
    """Says which tensors are of a kind that is not read, and what to save in their place; or "".

    Example:
      >>> describe_unread({"a": UnreadTensor("a sparse tensor", "save its to_dense()"), "b": 3})
      'a is a sparse tensor: in PyTorch, save its to_dense()'
    """
    unread = {name: each for name, each in tensors.items() if isinstance(each, UnreadTensor)}
    if not unread:
        return ""
    name, first = next(iter(unread.items()))
    alike = sum(each == first for each in unread.values()) - 1
    more = f", as {'are' if alike > 1 else 'is'} {alike} more" if alike else ""
    return f"{show_name(name)} is {first.kind}{more}: in PyTorch, {first.remedy}"


def _find_state_dicts(content: Any) -> Iterator[_Found]:
    """Yields the dictionaries that hold tensors by name; an object that is shared comes once."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    seen = {id(content)}
    for place, value in waiting:  # More are added while this runs.
        if type(value) is dict:
            if OPTIMIZER_ENTRY in value:
                continue
            if tensors := _pick_tensors(value):
                yield _Found(place, tensors)
        for name, inner in _list_entries(value):
            is_new = type(inner) in CONTAINERS and id(inner) not in seen
            if is_new and len(place) < MAX_DEPTH and len(seen) < MAX_SEARCHED:
                seen.add(id(inner))
                waiting.append(((*place, show_name(name)), inner))


def _pick_tensors(entries):
    """Returns those entries of a dictionary that are tensors, whether they are read or not."""
    tensors = {}
    for name, value in entries.items():
        tensor = value.tensor if type(value) is Ignored else value
        if type(name) is str and isinstance(tensor, TensorView | UnreadTensor):
            tensors[name] = tensor
    return tensors


def _list_entries(value):
    if type(value) is dict:
        return value.items()
    # A tensor and its storage are tuples of their own types.
    return enumerate(value) if type(value) in CONTAINERS else ()


def _choose_by_wrapper(found):
    """Returns the state dicts in the first of `WRAPPERS` that one of them has, or all of them."""
    for wrapper in WRAPPERS:
        chosen = [each for each in found if each.place and each.place[0] == wrapper]
        if chosen:
            shallowest = min(len(each.place) for each in chosen)
            return [each for each in chosen if len(each.place) == shallowest]
    return found


def _explain_missing(path, content, ignored, *, found, named):
    """Explains why nothing in a file can be read.

    Args:
      path: the file.
      content: what it holds.
      ignored: the names of classes and functions that the pickle asked for in vain.
      found: the dictionaries with tensors, none of which can be read.
      named: those of them that have the names of the network.
    """
    advice = advise_to_save_state_dict(path)
    classes = [name for name in ignored if not _NAMES_OF_DATA.fullmatch(name)]
    if named or (found and not classes):
        return f"{path} holds no weights: {describe_unread((named or found)[0].tensors)}"
    if classes:
        return (
            f"{path} is not a state dict: it asks for {classes[0]}, which was not run; if the file "
            f"holds a whole model, {advice}"
        )
    if not isinstance(content, dict) or not content:
        return f"{path} holds no state dict; {advice}"
    names = _list_names(content)
    return f"{path} is not a state dict: its entries {names} are not tensors; {advice}"


def _list_names(names):
    words = [show_name(name) for name in names]
    return ", ".join(words[:LISTED]) + (", ..." if len(words) > LISTED else "")
