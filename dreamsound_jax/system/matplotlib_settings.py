"""Matplotlib in a command draws without a screen, and looks as it does by default.

The settings of the user, MPLBACKEND and matplotlibrc, are for plots of the user. One that fits no
screen here, or cannot be read, would even keep Matplotlib from being imported. Where the user's own
process draws, as in a notebook, they are left as they are.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

from dreamsound_jax.system.errors import UserError, reason_of

if TYPE_CHECKING:  # It takes a while to import, and is of no use before a clip is dreamed.
    from matplotlib.figure import Figure

_FILE = "matplotlibrc"
_are_ignored = False


def ignore_settings() -> None:
    """Makes Matplotlib ignore the settings of the user in this process, from its import on."""
    global _are_ignored
    _are_ignored = True
    os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=os.devnull)
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)  # It speaks of these files.


def load_matplotlib() -> None:
    """Imports Matplotlib, with its default settings if those of the user are to be ignored.

    Raises:
      UserError: it cannot be imported.
    """
    try:
        importlib.import_module("matplotlib")
    except Exception as error:
        hint = f"; look at the file {_FILE} in this folder" if os.path.exists(_FILE) else ""
        raise UserError(f"Matplotlib cannot be imported: {reason_of(error)}{hint}") from error
    if _are_ignored:
        _restore_defaults()


@functools.cache
def _restore_defaults():
    """Takes back the settings of a matplotlibrc in the working folder, which is always read."""
    import matplotlib

    defaults = dict(matplotlib.rcParamsDefault)
    matplotlib.rcParams.update(defaults | {"backend": "agg"})


def new_figure(inches: tuple[float, float], dpi: float, **options: Any) -> Figure:
    """Makes an empty figure, without pyplot.

    Args:
      inches: its width and its height.
      dpi: pixels an inch.
      **options: others of `matplotlib.figure.Figure`.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    return Figure(inches, dpi, **options)
