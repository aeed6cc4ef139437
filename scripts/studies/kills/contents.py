"""What a folder holds, in a form in which two runs can be compared: without times and dates."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

# Entries that say when, or in how many seconds, something was done, or how large a file of them is.
_OF_TIME = ("date", "timings", "trained", ".json")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:]+([+-][\d:]+|Z)?)?")
_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
_EMBEDDED = re.compile(r"base64,[\w+/=]*")  # a picture in a page
_TEXTS = (".csv", ".html", ".md", ".txt")


def read_contents(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Reads all files below a folder: {path in the folder: content to compare}.

    Records in files of lines are compared whatever their order, and checkpoints of Orbax by their
    arrays, since the names of its files are random.

    Args:
      folder: where the run has written.
      without: names of folders that do not count.
    """
    found: dict[str, Any] = {}
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [each for each in folders if each not in without]
        relative = str(here.relative_to(folder))
        if "orbax.checkpoint" in names:
            folders.clear()
            found[relative] = _read_arrays(here)
        else:
            found |= {f"{relative}/{name}": _read_file(here / name) for name in names}
            found |= {f"{relative}/{each}/": None for each in folders}
    return found


def list_differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], *, numbers_vary: set[str]
) -> list[str]:
    """Lists what is missing, left over, or differs between two folders, in a few words each.

    Args:
      expected: the contents of a folder.
      found: those of the other.
      numbers_vary: the files whose numbers, or bytes, differ between runs that are not killed.
    """
    missing = [f"{name} is missing" for name in expected.keys() - found.keys()]
    left = [f"{name} is left over" for name in found.keys() - expected.keys()]
    differing = [
        f"{name} differs"
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
        and not (name in numbers_vary and _is_like(expected[name], found[name]))
    ]
    return sorted(missing + left + differing)


def _is_like(one, other):
    """Whether two contents are the same but for their numbers; bytes are not compared."""
    if isinstance(one, bytes):
        return bool(other)
    return _mask_numbers(one) == _mask_numbers(other)


def _mask_numbers(content):
    return _NUMBER.sub("N", _EMBEDDED.sub("", str(content)))


def _read_arrays(folder):
    paths = jax.tree.leaves_with_path(ocp.load(folder))
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in paths}


def _read_file(path):
    content = path.read_bytes()
    if path.suffix == ".json":
        return _without_times(json.loads(content))
    if path.suffix == ".jsonl":
        return _read_lines(content)
    return _DATE.sub("DATE", content.decode()) if path.suffix in _TEXTS else content


def _read_lines(content):
    """Returns the records that count, sorted; a line that was torn by a kill does not count."""
    records = {}
    for line in content.split(b"\n"):
        try:
            record = _without_times(json.loads(line))
        except ValueError:
            continue
        key = record.get("number") if isinstance(record, dict) else record[0]
        records[str(key)] = record
    return dict(sorted(records.items()))


def _without_times(entries):
    if isinstance(entries, dict):
        kept = {key: value for key, value in entries.items() if key not in _OF_TIME}
        return {key: _without_times(value) for key, value in kept.items()}
    return entries
