"""Finds the state dict in what a PyTorch file holds, and says what to save if there is none."""

import os
from typing import Any

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_views import TensorView

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")


def extract_state_dict(path: str | os.PathLike, content: Any) -> dict[str, TensorView]:
    """Returns {name: TensorView} of an unpickled object.

    A state dict inside of {"state_dict": ...} or another of `WRAPPERS` is found.

    Raises:
      UserError: it holds no state dict, or only ones under other names.
    """
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(dict.get(content, wrapper), dict):
            content = dict.get(content, wrapper)
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path} holds no state dict; {advise_to_save_state_dict(path)}")
    # The pickle may have replaced the methods of an OrderedDict; those of dict are safe.
    views = dict(dict.items(content))
    _check_tensors(path, views)
    return views


def _check_tensors(path, views):
    """Raises UserError if entries of a state dict are not tensors, or hold tensors themselves."""
    others = [
        name
        for name, view in views.items()
        if type(name) is not str or type(view) is not TensorView
    ]
    nested = [name for name in others if _holds_tensors(views[name])]
    if nested:
        read = f"{', '.join(WRAPPERS[:-1])} or {WRAPPERS[-1]}"
        raise UserError(
            f"{path} holds tensors under {_list_names(nested)}, and only those under {read} are "
            "read: save the ones that you want alone"
        )
    if others:
        raise UserError(
            f"{path} is not a state dict: its entries {_list_names(others)} are not tensors; "
            f"{advise_to_save_state_dict(path)}"
        )


def _holds_tensors(value):
    return isinstance(value, dict) and any(type(each) is TensorView for each in dict.values(value))


def _list_names(names):
    words = [ascii(name)[:60].strip("'") for name in names]
    return ", ".join(words[:8]) + (", ..." if len(words) > 8 else "")


def advise_to_save_state_dict(path: str | os.PathLike) -> str:
    """Returns advice for messages: how to save a file that this reader accepts."""
    return f"in PyTorch, save only the state dict: torch.save(model.state_dict(), {str(path)!r})"
