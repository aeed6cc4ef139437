"""Jobs, and what is told of them while they are done."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError

MOST_MEGABYTES = 200
MOST_MINUTES = 10


class Job(NamedTuple):
    """One sound to be dreamed on.

    Attributes:
      sound: the path of the file that was uploaded.
      folder: where the results are written.
      options: of `dreamsound_jax.dream`.
      makes_video: whether a video is made, too.
    """

    sound: str
    folder: str
    options: dict[str, Any]
    makes_video: bool = False


class Doing(NamedTuple):
    """What is being done, and the number of the pass, of so many; 0 of 0 where there is none."""

    words: str
    number: int = 0
    of: int = 0


class Done(NamedTuple):
    """Paths of what came of a job, and a line on it.

    Attributes:
      before: the input, as loud as the dream.
      after: the dream.
      picture: of both; None if it could not be made.
      video: None if none was made.
      words: how far the dream is from its input, how long it took, and what went wrong.
    """

    before: str
    after: str
    picture: str | None
    video: str | None
    words: str


class Refused(NamedTuple):
    """One line on why there is no dream."""

    reason: str


class Stopped(NamedTuple):
    """The job was stopped."""


Message = Doing | Done | Refused | Stopped


def check_upload(path: str | None, folder: Path) -> str:
    """Returns the path of an uploaded file.

    Args:
      path: what the page sent; anything may be in it.
      folder: where uploads lie.

    Raises:
      UserError: there is none, it lies elsewhere, or it is too large.
    """
    if not path:
        raise UserError("Drop a sound first.")
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(folder.resolve()) or not real.is_file():
        raise UserError("The sound must be a file that was dropped here.")
    megabytes = real.stat().st_size / 1e6
    if megabytes > MOST_MEGABYTES:
        raise UserError(
            f"The file has {megabytes:.0f} MB; at most {MOST_MEGABYTES} MB can be dropped here. "
            "The command dreamsound takes files of any size."
        )
    return str(real)


def check_length(seconds: float) -> None:
    """Raises UserError for a sound that is too long for the page."""
    if seconds > 60 * MOST_MINUTES:
        raise UserError(
            f"The sound has {seconds / 60:.1f} minutes; at most {MOST_MINUTES} minutes can be "
            "dreamed on here. The command dreamsound takes any length."
        )
