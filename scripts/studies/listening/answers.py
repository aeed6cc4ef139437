"""Reads the answers of listeners, and refuses those that are damaged or of another test."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.system.errors import UserError
from studies.listening.key import Key, read_entries
from studies.listening.page import ANSWERS


class Answers(NamedTuple):
    """What all listeners answered.

    Attributes:
      listeners: the random name of each.
      choices: (listeners, trials), indices into the key's classes.
      plays: (listeners, trials), how often each clip was played.
    """

    listeners: list[str]
    choices: np.ndarray
    plays: np.ndarray


def read_answers(names: Sequence[str], key: Key) -> Answers:
    """Reads answers.

    Args:
      names: files, patterns, or folders whose JSON files are read.
      key: of the test.

    Raises:
      UserError: a file cannot be read, is damaged, is of another test, or of the same listener as
        another file; or there is no file.
    """
    found: dict[str, Path] = {}
    choices, plays = [], []
    for path in _find(names):
        entries = read_entries(path, ANSWERS)
        if entries.get("test") != key.test:
            raise UserError(f"{path} holds answers to another test than that of the key")
        listener = str(entries.get("listener"))
        if listener in found:
            raise UserError(f"{path} and {found[listener]} are answers of the same listener")
        found[listener] = path
        chosen = _list_answers(path, entries.get("answers"), key)
        choices.append([choice for choice, _ in chosen])
        plays.append([count for _, count in chosen])
    return Answers(list(found), np.array(choices), np.array(plays))


def _find(names):
    paths: list[Path] = []
    for name in names:
        pattern = str(Path(name) / "*.json") if Path(name).is_dir() else name
        inside = [name] if Path(name).is_file() else sorted(glob.glob(pattern))
        if not inside:
            raise UserError(f"--answers must be files of answers, and there is none at {name!r}")
        paths += map(Path, inside)
    return list(dict.fromkeys(paths))


def _list_answers(path, entries, key):
    """Lists (choice, plays) of each trial, in the order of the key."""
    try:
        answers = {each["clip"]: (each["choice"], each["plays"]) for each in entries}
        is_whole = len(answers) == len(entries) == len(key.trials)
        chosen = [answers[trial.id] for trial in key.trials] if is_whole else []
        is_valid = all(choice in key.classes and _is_count(plays) for choice, plays in chosen)
    except (KeyError, TypeError):
        is_whole = is_valid = False
    if not (is_whole and is_valid):
        raise UserError(f"{path} is damaged: it must have one answer to each clip of the test")
    return [(key.classes.index(choice), plays) for choice, plays in chosen]


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 10**6
