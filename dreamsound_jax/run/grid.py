"""The clips of a run as one numbered list: every input, with every value of what is swept."""

import itertools
from dataclasses import replace
from typing import NamedTuple

from dreamsound_jax.run.options import check
from dreamsound_jax.system.errors import UserError


class Job(NamedTuple):
    """A clip that is asked for.

    Attributes:
      number: its place in the list; its files bear it.
      path: the input, as it was found.
      draw: what is drawn for it, with the seed. Clips that differ in what is swept alone draw the
        same, so that they can be compared.
      changes: {flag: value} in which it differs from the run's options.
    """

    number: int
    path: str
    draw: int
    changes: dict


def jobs(paths, options):
    """The list of `Job`s, the same on every machine.

    First every value of what is swept on the first input, the last `--sweep` changing fastest; then
    on the second, and so on. `--num_clips` ends it there, or goes through it again, drawing anew.
    """
    swept = points(options)
    count = options.num_clips or len(paths) * len(swept)
    return [_job(number, paths, swept) for number in range(count)] if paths else []


def _job(number, paths, swept):
    draw, point = divmod(number, len(swept))
    return Job(number, paths[draw % len(paths)], draw, swept[point])


def points(options):
    """All combinations of what is swept, as {flag: value}; [{}] if nothing is."""
    names = [name for name, _ in options.sweep]
    combined = itertools.product(*[values for _, values in options.sweep])
    return [dict(zip(names, values)) for values in combined]


def check_points(options, card):
    """Raises UserError if some value that is swept is wrong whatever the clips are."""
    for name, values in options.sweep:
        if not values:
            raise UserError(f"--sweep={name}= is empty; accepted is --sweep={name}=VALUE,VALUE")
    for changes in points(options):
        given = replace(options, **changes)
        check(given)
        given.wanted_class(card)
