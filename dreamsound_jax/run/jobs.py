"""The clips of a run as one numbered list: every input, with every value of what is swept."""

from pathlib import Path
from typing import NamedTuple

from dreamsound_jax.run.plan import ClipPlan, Plan


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
        return f"{self.number:05d}-{Path(self.path).stem}"


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
