"""The clips of a run as one numbered list: every input, with every value of what is swept."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.dreaming.keys import draw_class, draw_keys
from dreamsound_jax.run.names import fill_template, make_unique, name_input
from dreamsound_jax.run.plan import ClipPlan, Plan

log = logging.getLogger(__name__)

_MOST_NAMED = 20  # inputs in a line


class Job(NamedTuple):
    """A clip that is to be dreamed.

    Attributes:
      number: its place in the list; its files bear it.
      path: the input, as it was found.
      draw: what its random keys are drawn by, together with the seed. Clips that differ only in
        swept values have the same, so that they can be compared.
      plan: how it is dreamed.
      given_name: the name of its files by --name; None for the usual one.
    """

    number: int
    path: str
    draw: int
    plan: ClipPlan
    given_name: str | None = None

    @property
    def name(self) -> str:
        """The name of the clip's files, without a suffix, such as 00000-noise."""
        return self.given_name or f"{self.number:05d}-{name_input(self.path)}"


def merge_inputs(
    earlier: Sequence[str], found: Sequence[str], *, num_clips: int | None
) -> list[str]:
    """Returns the inputs of a run that is resumed: those that it began with, then the new ones.

    So a clip keeps its number, and with it its draws and its files, when files are added to a
    folder or removed from it. A line names those that are new. With `num_clips`, which goes through
    the inputs again and again, no input can be added.

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
    if not new:
        return list(earlier)
    if num_clips is not None:
        log.warning(
            "left out, since the run began without them and has --num_clips: %s; give another "
            "--output_dir to dream on them, too",
            name_some(new),
        )
        return list(earlier)
    log.info("new since the run began: %s", name_some(new))
    return [*earlier, *new]


def name_some(names: Collection[str]) -> str:
    """Returns names with commas between them; of many, only how many others there are.

    Example:
      >>> name_some(["a.wav", "b.wav"])
      'a.wav, b.wav'
    """
    shown = ", ".join([*names][:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def list_jobs(paths: list[str], plan: Plan) -> list[Job]:
    """Returns the jobs of a run; the list is the same on every machine.

    First every swept value on the first input, the last `--sweep` changing fastest; then on the
    second, and so on. `--num_clips` ends the list, or goes through it again with new draws.
    """
    count = len(paths) * len(plan.clips) if plan.num_clips is None else plan.num_clips
    jobs = [_job(number, paths, plan) for number in range(count)] if paths else []
    return jobs if plan.name is None else _name_jobs(jobs, plan.name)


def _name_jobs(jobs, template):
    """Names the jobs by a template; each name depends on this job and those before it."""
    classes = draw_classes(jobs)
    names = [fill_template(template, _values_of(job, classes.get(job.number))) for job in jobs]
    return [job._replace(given_name=name) for job, name in zip(jobs, make_unique(names))]


def _values_of(job, target_class):
    of_clip = {"number": job.number, "input": name_input(job.path), "class": target_class}
    return {**job.plan.name_values, **of_clip}


def draw_classes(jobs: Sequence[Job]) -> dict[int, str]:
    """Returns {number of a job: the class to dream of} of those that dream of a class."""
    asked = [job for job in jobs if job.plan.dreams_of_class]
    if not asked:
        return {}

    def draw(seed, draw, count):
        return draw_class(draw_keys(seed, draw).target, count)

    numbers = zip(*[(job.plan.seed, job.draw, len(job.plan.card.classes)) for job in asked])
    drawn = jax.vmap(draw)(*(np.array(each) for each in numbers)).tolist()
    indices = [d if job.plan.target is None else job.plan.target for job, d in zip(asked, drawn)]
    return {job.number: job.plan.card.classes[index] for job, index in zip(asked, indices)}


def _job(number, paths, plan):
    draw, clip = divmod(number, len(plan.clips))
    return Job(number, paths[draw % len(paths)], plan.first_draw + draw, plan.clips[clip])
