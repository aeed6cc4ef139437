"""JAX's cache of compiled programs: where it cannot be used, one line says so.

JAX writes an entry as it comes, so a killed process or a full disk can leave a part of one. It then
warns of this entry in each later process, in two lines, and never replaces it. Here such an entry
is removed as soon as JAX warns of it, and is then written anew.
"""

import contextlib
import re
import warnings
from typing import Any

from dreamsound_jax.system.cache import compilation_cache_folder, say_not_kept
from dreamsound_jax.system.storage import list_files, path_of

_TOLD = r"Error (reading|writing) persistent compilation cache entry for '(.*?)': \w+: (.*)"
_NUMBER_AND_FILE = re.compile(r"^\[Errno -?\d+\] |: '[^']*'$")


def answer_warnings() -> None:
    """Answers what JAX warns of in its cache of compiled programs, from now on in this process."""
    warnings.filterwarnings("always", message=_TOLD[:5])
    show = warnings.showwarning

    def show_or_answer(message: Warning | str, *arguments: Any, **keywords: Any) -> None:
        found = re.match(_TOLD, str(message), re.DOTALL)
        if not found:
            show(message, *arguments, **keywords)
            return
        action, program, reason = found.groups()
        removed = _remove_entries(program)
        # A damaged entry is compiled again, and replaced.
        if action == "writing" or not removed:
            reason = _NUMBER_AND_FILE.sub("", " ".join(reason.split()))
            say_not_kept(compilation_cache_folder(), reason)

    warnings.showwarning = show_or_answer


def _remove_entries(program):
    """Removes what is kept of the programs of a name; returns how many entries were removed."""
    removed = 0
    # Nothing depends on it, whatever is wrong with the folder, and whichever store it is in.
    with contextlib.suppress(Exception):
        for file in list_files(path_of(compilation_cache_folder()), f"{program}-*"):
            file.unlink()
            removed += 1
    return removed
