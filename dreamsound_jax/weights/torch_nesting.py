"""Finds the state dict in what a PyTorch file holds, and says what to save if there is none."""

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.advice import advise_to_save_state_dict, show_name
from dreamsound_jax.weights.torch_names import holds_names
from dreamsound_jax.weights.torch_views import TensorView

# Where there are several state dicts, such as the averaged one of `model_ema`, these are read.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
MAX_DEPTH = 5  # How deep a state dict may lie in other dictionaries and lists.
MAX_SEARCHED = 100_000  # Dictionaries and lists that are searched.
OPTIMIZER_ENTRY = "param_groups"  # An optimizer's state holds tensors, too.
LISTED = 8  # Names that a message lists.


class _Found(NamedTuple):
    """A dictionary that holds tensors, and the names of the entries that lead to it."""

    place: tuple[str, ...]
    views: dict[str, TensorView]


def extract_state_dict(
    path: str | os.PathLike,
    content: Any,
    *,
    wanted: Collection[str] = (),
    ignored: Sequence[str] = (),
) -> dict[str, TensorView]:
    """Returns {name: TensorView} of an unpickled object.

    A state dict may lie inside of others under any name, such as {"state_dict": ...}. Whatever lies
    beside tensors, such as the number of an epoch, is left out.

    Args:
      path: the file, for messages.
      content: what the file's pickle holds.
      wanted: names of tensors of the network. Of several state dicts, those that hold them count.
      ignored: the names of classes and functions that the pickle asked for in vain.

    Raises:
      UserError: it holds no state dict, or several.
    """
    found = list(_find_state_dicts(content))
    fitting = [each for each in found if wanted and holds_names(each.views, wanted)] or found
    if not fitting:
        raise UserError(_explain_missing(path, content, ignored))
    if len(fitting) > 1:
        fitting = _choose_by_wrapper(fitting)
    if len(fitting) > 1:
        places = [".".join(each.place) or "the file itself" for each in fitting]
        raise UserError(
            f"{path} holds several state dicts, under {_list_names(places)}: save the one that you "
            "want alone, in another file"
        )
    return fitting[0].views


def _find_state_dicts(content: Any) -> Iterator[_Found]:
    """Yields the dictionaries that hold tensors by name; an object that is shared comes once."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    seen = {id(content)}
    for place, value in waiting:  # More are added while this runs.
        if isinstance(value, dict):
            if OPTIMIZER_ENTRY in value:
                continue
            views = {
                name: view
                for name, view in value.items()
                if type(name) is str and type(view) is TensorView
            }
            if views:
                yield _Found(place, views)
        for name, inner in _list_entries(value):
            is_new = isinstance(inner, dict | list) and id(inner) not in seen
            if is_new and len(place) < MAX_DEPTH and len(seen) < MAX_SEARCHED:
                seen.add(id(inner))
                waiting.append(((*place, show_name(name)), inner))


def _list_entries(value):
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _choose_by_wrapper(found):
    """Returns the state dicts in the first of `WRAPPERS` that one of them has, or all of them."""
    for wrapper in WRAPPERS:
        chosen = [each for each in found if each.place and each.place[0] == wrapper]
        if chosen:
            shallowest = min(len(each.place) for each in chosen)
            return [each for each in chosen if len(each.place) == shallowest]
    return found


def _explain_missing(path, content, ignored):
    advice = advise_to_save_state_dict(path)
    if ignored:
        return (
            f"{path} is not a state dict: it asks for {ignored[0]}, which was not run; if the file "
            f"holds a whole model, {advice}"
        )
    if not isinstance(content, dict) or not content:
        return f"{path} holds no state dict; {advice}"
    names = _list_names(content)
    return f"{path} is not a state dict: its entries {names} are not tensors; {advice}"


def _list_names(names):
    words = [show_name(name) for name in names]
    return ", ".join(words[:LISTED]) + (", ..." if len(words) > LISTED else "")
