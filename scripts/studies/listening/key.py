"""The key of a listening test: what each clip of the page is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import write_json
from studies.listening.clips import CONTROL, DREAM, KINDS

FORMAT = "key of a dreamsound listening test"


class Trial(NamedTuple):
    """A clip as it is asked for on the page.

    Attributes:
      id: its random name.
      kind, source, target: as of `clips.Clip`.
      repeats: the id of the trial whose sound is heard again; None of most.
    """

    id: str
    kind: str
    source: str
    target: str | None
    repeats: str | None


class Key(NamedTuple):
    """What is known of a test.

    Attributes:
      test: the id of the test, which stands in the page and in all answers.
      classes: the choices.
      trials: in the order of the page's data, which tells nothing.
      facts: how the test was made: command, date, device.
    """

    test: str
    classes: tuple[str, ...]
    trials: tuple[Trial, ...]
    facts: Mapping[str, Any]


def write_key(path: Path, key: Key) -> None:
    """Writes a key.

    Raises:
      UserError: the file is the key of another test, whose answers could not be scored without it.
    """
    if path.exists() and read_key(path).test != key.test:
        raise UserError(
            f"{path} is the key of another test, and its answers need it: choose another "
            "--output_dir, or remove it"
        )
    trials = [trial._asdict() for trial in key.trials]
    write_json(path, {"format": FORMAT, **key._asdict(), "trials": trials})


def read_key(path: Path) -> Key:
    """Reads a key.

    Raises:
      UserError: the file cannot be read, or is no key, or is damaged.
    """
    entries = read_entries(path, FORMAT)
    try:
        trials = tuple(Trial(**trial) for trial in entries["trials"])
        key = Key(entries["test"], tuple(entries["classes"]), trials, dict(entries["facts"]))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is damaged: it is not the whole {FORMAT}") from None
    _check(path, key)
    return key


def read_entries(path: Path, format: str) -> dict:
    """Reads a JSON file that states its format.

    Args:
      path: the file.
      format: what it must say of itself.

    Raises:
      UserError: the file cannot be read, is not JSON, or has another format.
    """
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason_of(error)}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} must hold the {format}, and is not JSON") from None
    if not isinstance(entries, dict) or entries.get("format") != format:
        raise UserError(f"{path} must hold the {format}, and does not")
    return entries


def _check(path, key):
    """Raises UserError if what the score relies on is not so."""
    ids = [trial.id for trial in key.trials]
    controls = {trial.source for trial in key.trials if trial.kind == CONTROL}
    is_valid = [
        trial.kind in KINDS
        and (trial.target is None if trial.kind == CONTROL else trial.target in key.classes)
        and (trial.kind != DREAM or trial.source in controls)
        and (trial.repeats is None or trial.repeats in ids)
        for trial in key.trials
    ]
    if len(set(ids)) < len(ids) or not all(is_valid):
        raise UserError(f"{path} is damaged: its clips contradict each other")


def select(trials: Sequence[Trial], kind: str) -> list[int]:
    """Returns the places of the clips of a kind; clips that are heard again do not count twice."""
    return [
        place for place, each in enumerate(trials) if each.kind == kind and each.repeats is None
    ]
