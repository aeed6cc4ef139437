"""Says which files of a folder are not dreamed on, unless an earlier run wrote them."""

import functools
import logging
import mimetypes
import os
from collections.abc import Collection, Mapping

from dreamsound_jax.system.storage import path_of

log = logging.getLogger(__name__)

_MANIFESTS = "manifest-*.jsonl"
_MOST_NAMED = 5
# What lies beside sounds, and is known to hold none. Python knows the usual texts and pictures.
_NO_SOUNDS = {
    *(".md", ".log", ".yaml", ".yml", ".toml", ".ini", ".jsonl", ".npy", ".npz", ".webp", ".db"),
    *(".cue", ".nfo", ".url", ".asd", ".reapeaks", ".pkf", ".sfk", ".rpp", ".als"),
}


def report_passed_over(folder: str, beside: Mapping[str, str], others: Collection[str]) -> None:
    """Says in one line which files of a folder are passed over, if any may be a sound.

    Args:
      folder: its path.
      beside: {file: sound} of the files that are named as a run names what it writes beside a
        sound. Those of a run, which wrote a manifest or a .json beside the sound, are not said.
      others: the names of all other files that do not end as those of sounds do.
    """
    place = path_of(folder or ".")
    of_a_run = beside and any(place.glob(_MANIFESTS))
    alike = [] if of_a_run else [name for name in beside if not _has_facts(place, beside[name])]
    unknown = [
        each for each in sorted(others) if not _holds_no_sound(each) and not (place / each).is_dir()
    ]
    parts = []
    if alike:
        parts.append(f"{_list_names(alike)}, named like what a run writes beside a dream")
    if unknown:
        parts.append(f"{_list_names(unknown)}, not named like a sound")
    if parts:
        log.warning(
            "%r: these files are passed over: %s; to dream on one, name it itself",
            *(folder or ".", "; and ".join(parts)),
        )


def _has_facts(folder, sound):
    return (folder / f"{os.path.splitext(sound)[0]}.json").exists()


def _list_names(names):
    named = ", ".join(map(repr, names[:_MOST_NAMED]))
    more = len(names) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _holds_no_sound(name):
    if name.startswith(".") or os.path.splitext(name)[1].lower() in _NO_SOUNDS:
        return True
    kind = _types().guess_type(name)[0]
    return kind is not None and not kind.startswith(("audio/", "video/"))


@functools.cache
def _types():
    return mimetypes.MimeTypes(filenames=())  # Not those of the machine, which differ.
