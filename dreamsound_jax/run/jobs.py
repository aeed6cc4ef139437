"""The clips of a run as one numbered list: every input, with every value of what is swept."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dreamsound_jax.run.plan import ClipPlan, Plan
from dreamsound_jax.system.storage import printable_name

log = logging.getLogger(__name__)

# Most file systems allow 255 bytes in a name; so much of an input's name is in those of its files.
_LONGEST_STEM = 200


class Job(NamedTuple):
    """A clip that is to be dreamed.

    Attributes:
      number: its place in the list; its files bear it.
      path: the input, as it was found.
      draw: what its random keys are drawn by, together with the seed. Clips that differ only in
        swept values have the same, so that they can be compared.
      plan: how it is dreamed.
    """

    number: int
    path: str
    draw: int
    plan: ClipPlan

    @property
    def name(self) -> str:
        """The name of the clip's files, without a suffix, such as 00000-noise."""
        stem = os.fsencode(printable_name(Path(self.path).stem))[:_LONGEST_STEM]
        return f"{self.number:05d}-{stem.decode(errors='ignore')}"


def merge_inputs(
    earlier: Sequence[str], found: Sequence[str], *, num_clips: int | None
) -> list[str]:
    """Returns the inputs of a run that is resumed: those that it began with, then the new ones.

    So a clip keeps its number, and with it its draws and its files, when files are added to a
    folder or removed from it. With `num_clips`, which goes through the inputs again and again,
    no input can be added.

    Args:
      earlier: the inputs that the run began with.
      found: the inputs that are there now.
      num_clips: of the run.

    Example:
      >>> merge_inputs(["in/b.wav", "in/c.wav"], ["in/a.wav", "in/c.wav"], num_clips=None)
      ['in/b.wav', 'in/c.wav', 'in/a.wav']
    """
    if not earlier:
        return list(found)
    new = list((Counter(found) - Counter(earlier)).elements())
    gone = list((Counter(earlier) - Counter(found)).elements())
    if gone:
        log.info("gone since the run began: %s", ", ".join(gone))
    if not new:
        return list(earlier)
    if num_clips is not None:
        log.warning(
            "left out, since the run began without them and has --num_clips: %s; give another "
            "--output_dir to dream on them, too",
            ", ".join(new),
        )
        return list(earlier)
    log.info("new since the run began: %s", ", ".join(new))
    return [*earlier, *new]


def list_jobs(paths: list[str], plan: Plan) -> list[Job]:
    """Returns the jobs of a run; the list is the same on every machine.

    First every swept value on the first input, the last `--sweep` changing fastest; then on the
    second, and so on. `--num_clips` ends the list, or goes through it again with new draws.
    """
    count = len(paths) * len(plan.clips) if plan.num_clips is None else plan.num_clips
    return [_job(number, paths, plan.clips) for number in range(count)] if paths else []


def _job(number, paths, clips):
    draw, clip = divmod(number, len(clips))
    return Job(number, paths[draw % len(paths)], draw, clips[clip])
