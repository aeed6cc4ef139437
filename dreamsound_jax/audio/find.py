"""Finds the sounds that a name on the command line stands for."""

import difflib
import glob
import itertools
import os
from collections.abc import Sequence

from etils import epath

from dreamsound_jax.system.errors import UserError, reason_of

GENERATED = ("noise", "sine")
READABLE = ["wav", "flac", "ogg", "opus", "mp3", "aiff", "au", "caf"]
# libsndfile cannot decode these; a folder still lists them, so that none is passed over in silence.
_TO_CONVERT = ["m4a", "mp4", "aac", "wma", "webm", "mka", "ape", "wv", "amr", "ac3"]
_MORE = ["aif", "aifc", "oga", "w64", "rf64", "snd"]
_SUFFIXES = {f".{suffix}" for suffix in (*READABLE, *_TO_CONVERT, *_MORE)}
_CLOUD = "://"


def find_inputs(names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The inputs that `names` stand for, and what is wrong with the others.

    Args:
      names: each 'noise', 'sine', a sound file, a folder (its sound files, not those in its
        subfolders) or a pattern with `*`, `?`, `[...]`, and, for local files, `**`. What a folder
        or a pattern gives is sorted, without hidden files; a file named twice is there twice.

    Returns:
      (found, failures): 'noise', 'sine' and paths for `read`; and a (name, message) for each name
      that stands for nothing.
    """
    found, failures = [], []
    for name in names:
        try:
            found += _expand(name)
        except UserError as error:
            failures.append((name, str(error)))
    return found, failures


def _expand(name):
    if name in GENERATED:
        return [name]
    # Not str(Path(name)): it would turn './noise', a file, into 'noise'.
    name = os.path.expanduser(name)
    path = epath.Path(name)
    try:
        if name and path.is_dir():
            return _in_folder(name, path)
        if name and path.exists():
            return [name]
        if glob.has_magic(name):
            return _matching(name)
    except UserError:
        raise
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot look for {name!r}: {reason_of(error)}") from error
    raise UserError(_missing(name, path))


def _in_folder(name, folder):
    files = sorted(file.name for file in folder.iterdir() if is_sound(file.name))
    if not files:
        raise UserError(
            f"no sound files in the folder {name!r} (accepted are {', '.join(READABLE)}); "
            f"for those in its subfolders, ask for {os.path.join(name, '**', '*.wav')!r}"
        )
    return [os.path.join(name, file) for file in files]


def _matching(pattern):
    if _CLOUD in pattern:
        fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
        root = "/".join(fixed)
        if "**" in pattern:
            raise UserError(f"{pattern!r}: '**' works for local files only; accepted here is '*'")
        try:
            files = [str(file) for file in epath.Path(root).glob(pattern[len(root) + 1 :])]
        except FileNotFoundError:  # what gcsfs raises, and s3fs does not, if there is no bucket
            files = []
    else:
        files = [file for file in glob.glob(pattern, recursive=True) if not os.path.isdir(file)]
    files = sorted(filter(is_sound, files))
    if not files:
        raise UserError(f"no sound file matches {pattern!r} (accepted: {', '.join(READABLE)})")
    return files


def is_sound(name):
    """Whether a file called `name` is taken for a sound, by its suffix; hidden ones are not."""
    base = os.path.basename(name).lower()
    return not base.startswith(".") and os.path.splitext(base)[1] in _SUFFIXES


def _missing(name, path):
    """Says that nothing is called `name`, and what near it there is."""
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    if "/" not in name:
        siblings += GENERATED
    near = difflib.get_close_matches(path.name, siblings, n=1)
    folder = os.path.dirname(name)
    if near:
        return f"no file {name!r}; did you mean {os.path.join(folder, near[0])!r}?"
    if folder and not path.parent.is_dir():
        return f"no file {name!r}: there is no folder {folder!r}"
    return f"no file {name!r}; accepted are 'noise', 'sine', a sound file, a folder or a pattern"
