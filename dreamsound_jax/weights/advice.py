"""Advice and names in messages about files of weights."""

import itertools
import os
from pathlib import Path

LONGEST_NAME = 60  # Characters of a tensor's name that a message shows.


def advise_to_save_state_dict(path: str | os.PathLike) -> str:
    """Returns advice for messages: how to save a file that this reader accepts."""
    other = str(name_another_file(path))
    return f"in PyTorch, save only the state dict: torch.save(model.state_dict(), {other!r})"


def name_another_file(path: str | os.PathLike) -> Path:
    """Returns a file beside `path` that is not there yet, so that following advice costs no file.

    Example:
      >>> str(name_another_file("nets/dog.pth"))
      'nets/dog-state_dict.pth'
    """
    path = Path(path)
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (path.with_name(f"{path.stem}-state_dict{number}.pth") for number in numbers)
    return next(name for name in names if not os.path.lexists(name))


def show_name(name: object) -> str:
    """Returns the name of a tensor as a message shows it: short, and in one line.

    Example:
      >>> show_name("features.0.weight"), show_name("a" + chr(10)), len(show_name("x" * 999))
      ('features.0.weight', 'a\\\\n', 60)
    """
    word = name if isinstance(name, str) else repr(name)
    # Only the beginning is escaped: a name may be very long.
    word = word[: LONGEST_NAME + 1]
    word = word if word.isprintable() else ascii(word)[1:-1]
    return word if len(word) <= LONGEST_NAME else f"{word[: LONGEST_NAME - 3]}..."
