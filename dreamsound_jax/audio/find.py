"""Finds the sounds that the names on a command line stand for."""

import collections
import difflib
import errno
import glob
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from etils import epath

from dreamsound_jax.audio.passed_over import report_passed_over
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import is_cloud, path_of

GENERATED = ("noise", "sine")
RECORDINGS = {"drums": Path(__file__).parent / "recordings" / "drums.flac"}
"""The recordings that are included, by name."""
BUILT_IN = (*GENERATED, *RECORDINGS)
READABLE = (
    *("wav", "flac", "ogg", "opus", "mp3", "m4a", "aac", "wma", "aiff", "au", "caf"),
    *("mp4", "mov", "mkv", "webm"),
)
_LESS_COMMON = (
    *("aif", "aifc", "afc", "oga", "w64", "rf64", "snd", "wave", "bwf", "nist", "sph", "voc"),
    *("mp1", "mp2", "mpga", "m4b", "m4r", "mka", "ape", "wv", "tta", "tak", "mpc", "amr", "ac3"),
    *("eac3", "dts", "dsf", "spx", "weba", "m4v", "3gp", "avi", "flv", "ogv", "wmv", "mpg", "mpeg"),
)
INPUT, DIFFERENCE, VIDEO = ".input", ".difference", ".mp4"
"""What a run writes beside a dream: NAME.input.wav and NAME.difference.wav beside NAME.wav, or with
the suffix of another format, and NAME.mp4. They are not dreamed on with it, and a line names those
that are not known to be of a run."""
_MOST_COMMAS = 20  # in the name of a file
_SUFFIXES = {f".{suffix}" for suffix in (*READABLE, *_LESS_COMMON)}


def find_inputs(names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Finds the inputs that `names` stand for.

    Args:
      names: each is one of `BUILT_IN`, a sound file, a folder (its sound files, but not those in
        its subfolders), or a pattern with `*`, `?` or `[...]` and, for local files, `**`. The files
        of a folder or a pattern are sorted and exclude hidden ones. A file that is named twice is
        found twice. Names that a comma in the name of a file has split are joined again.

    Returns:
      (found, failures): the inputs, each one of `BUILT_IN` or a path; and a (name, message) for
      each name that stands for nothing.
    """
    found, failures = [], []
    for name in _join_at_commas(names):
        try:
            found += _find_input(name)
        except UserError as error:
            failures.append((name, str(error)))
    return found, failures


def is_sound(name: str) -> bool:
    """Returns whether a file has the name of a sound file that is not hidden."""
    base = os.path.basename(name).lower()
    return not base.startswith(".") and os.path.splitext(base)[1] in _SUFFIXES


def describe_missing(name: str, path: epath.Path) -> str:
    """Says that there is no file called `name`, at `path`, and which similar name there is.

    Of a link, it says where it leads instead.
    """
    if link := None if is_cloud(name) else _describe_dead_link(path):
        return link
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    if "/" not in name:
        siblings += BUILT_IN
    similar = difflib.get_close_matches(path.name, siblings, n=1)
    folder = os.path.dirname(name)
    if similar:
        return f"there is no file {name!r}; did you mean {os.path.join(folder, similar[0])!r}?"
    if folder and not path.parent.is_dir():
        return f"there is no file {name!r}, and no folder {folder!r}"
    return (
        f"there is no file {name!r}; an input must be a sound file, a folder, a pattern, or one "
        f"of {', '.join(BUILT_IN)}"
    )


def _describe_dead_link(path):
    """Says what is wrong with the link at a path, or in it; None if there is no dead one."""
    for place in map(os.fspath, (*reversed(path.parents), path)):
        if os.path.islink(place) and not os.path.exists(place):
            try:
                os.stat(place)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    return f"{place!r} is a link in a loop of links, and leads to no file"
            return f"{place!r} is a link to {os.path.realpath(place)!r}, which does not exist"
    return None


def _join_at_commas(names):
    """Joins neighbours that name no file until a comma stands between them."""
    joined, rest = [], list(names)
    while rest:
        name, count = _take_name(rest)
        joined.append(name)
        del rest[:count]
    return joined


def _take_name(names):
    """Returns the first name, whole, and how many of the names it is made of."""
    first, counts = names[0], range(2, min(len(names), _MOST_COMMAS + 1) + 1)
    if first not in BUILT_IN and not is_cloud(first) and not _exists(first):
        # A list of names has lost the spaces behind its commas.
        for count, comma in itertools.product(counts, (",", ", ")):
            if _exists(name := comma.join(names[:count])):
                return name, count
    return first, 1


def _exists(name):
    return os.path.exists(os.path.expanduser(name))


def _find_input(name):
    if name in BUILT_IN:
        return [name]
    # The name stays a string: a path would turn './noise', which is a file, into 'noise'.
    name = os.path.expanduser(name)  # A pattern, too.
    path = path_of(name)
    try:
        if name and path.is_dir():
            return _list_folder(name, path)
        if name and path.exists():
            return [name]
        if glob.has_magic(name):
            return _list_matches(name)
        raise UserError(describe_missing(name, path))
    except UserError:
        raise
    except Exception as error:  # Each cloud client has its own family of errors.
        raise UserError(f"cannot look for {name!r}: {reason_of(error)}") from error


def _list_folder(name, folder):
    inside = [file.name for file in folder.iterdir()]
    files = _select_sounds(inside)
    if not files:
        raise UserError(
            f"there are no sound files ({', '.join(READABLE)}) in the folder {name!r}; "
            f"for those in its subfolders, ask for {os.path.join(name, '**', '*.wav')!r}"
        )
    _report_others(name, inside, files)
    return [os.path.join(name, file) for file in files]


def _list_matches(pattern):
    matched = _match_in_store(pattern) if is_cloud(pattern) else _match_on_disk(pattern)
    files = _select_sounds(matched)
    if not files:
        hint = "" if is_cloud(pattern) else _describe_brackets(pattern)
        raise UserError(f"no sound file ({', '.join(READABLE)}) matches {pattern!r}{hint}")
    taken, inside = {*files}, collections.defaultdict(list)
    for file in matched:
        inside[os.path.dirname(file)].append(file)
    for folder in sorted({os.path.dirname(file) for file in files}):
        names = {os.path.basename(file): file in taken for file in inside[folder]}
        _report_others(folder, list(names), [name for name in names if names[name]])
    return files


def _describe_brackets(pattern):
    """Says how to write the brackets of a pattern that are characters of names; "" without any."""
    brackets = re.findall(r"\[[^]/]*\]", pattern)
    if not brackets or not _select_sounds(_match_on_disk(pattern.replace("[", "[[]"))):
        return ""
    first = brackets[0]
    return f": {first} is a pattern, too: write {first.replace('[', '[[]')} for these characters"


def _select_sounds(files: Sequence[str]) -> list[str]:
    """Returns the sounds among files, sorted, without what lies beside a dream."""
    found = sorted(filter(is_sound, files))
    beside = _find_beside(found)
    return [file for file in found if file not in beside]


def _find_beside(sounds):
    """Returns {file: sound} of the files that are named like what a run writes beside a sound."""
    beside = {}
    for sound in sounds:
        stem, suffix = os.path.splitext(sound)
        beside |= {stem + kind + suffix: sound for kind in (INPUT, DIFFERENCE)}
        if suffix != VIDEO:
            beside[stem + VIDEO] = sound
    return {file: beside[file] for file in sounds if file in beside}


def _report_others(folder, inside, taken):
    """Says which files of a folder are passed over, given all that are there and those taken."""
    beside = _find_beside(sorted(filter(is_sound, inside)))
    report_passed_over(folder, beside, {*inside} - {*taken, *beside})


def _match_on_disk(pattern):
    return [file for file in glob.glob(pattern, recursive=True) if not os.path.isdir(file)]


def _match_in_store(pattern):
    if "**" in pattern:
        raise UserError(f"{pattern!r} must not contain '**', which works for local files only")
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
    root = "/".join(fixed)
    try:
        return [str(file) for file in epath.Path(root).glob(pattern[len(root) + 1 :])]
    except FileNotFoundError:  # gcsfs raises it if there is no bucket; s3fs finds nothing.
        return []
