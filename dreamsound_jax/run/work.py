"""Says what a run is about to do, before it does it."""

import os
from collections.abc import Sequence

import soundfile

from dreamsound_jax.audio.find import GENERATED, RECORDINGS
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.sources import Source

# Of so many inputs at most, the lengths are looked up before the first is dreamed.
MOST_LOOKED_UP = 200


def describe_work(jobs: Sequence[Job], first: Source | None = None) -> str:
    """Says what is to be dreamed: how many clips, how long they are, and in how many steps.

    Args:
      jobs: the clips that are still to be dreamed.
      first: the first of them, if its sound was read already.
    """
    count = "1 clip" if len(jobs) == 1 else f"{len(jobs)} clips"
    seconds = _measure_all(jobs, first)
    length = "" if seconds is None else f", {_describe_seconds(seconds)} of sound"
    ways = {_describe_steps(job.plan) for job in jobs}
    steps = f", {'each ' if len(jobs) > 1 else ''}in {ways.pop()}" if len(ways) == 1 else ""
    return f"to do: {count}{length}{steps}"


def _describe_steps(plan: ClipPlan) -> str:
    steps = f"{_count(plan.pyramid_size, 'pass', 'passes')} of "
    steps += _count(plan.num_iterations, "step", "steps")
    if plan.ouroboros is None:
        return steps
    return f"{_count(plan.ouroboros.length, 'round', 'rounds')} of {steps}"


def _count(number, one, several):
    return f"{number} {one if number == 1 else several}"


def _measure_all(jobs, first):
    """Returns the seconds of all inputs of some clips together; None if they are not known."""
    plan = jobs[0].plan
    if first is not None and len(jobs) == 1:
        return len(first.kept_recording.channels) / first.recording.sample_rate
    paths = {job.path for job in jobs}
    if len(paths) > MOST_LOOKED_UP:
        return None
    lengths = {path: _measure(path, plan) for path in paths}
    if None in lengths.values():
        return None
    most = plan.excerpt_seconds or float("inf")
    return sum(min(most, lengths[job.path]) for job in jobs)


def _measure(path, plan):
    """Returns the seconds of an input by what its file says of itself; None if that is unknown."""
    if path in GENERATED:
        return plan.clip_length / plan.card.front_end.sample_rate
    path = RECORDINGS.get(path, path)
    if not os.path.isfile(path):  # It is in a store, or a pipe, which can be read only once.
        return None
    try:
        with open(path, "rb") as file:
            return soundfile.info(file).duration
    except (OSError, RuntimeError):  # Only PyAV reads it.
        return None


def _describe_seconds(seconds):
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
