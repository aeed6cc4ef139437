"""Seconds of functions that take turns, so that a machine whose speed wavers wavers for all."""

import time
from typing import NamedTuple

import jax
import numpy as np


class Spread(NamedTuple):
    """Seconds of several runs."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values):
        """Of numbers, one a run."""
        return cls(float(np.median(values)), float(np.min(values)), float(np.max(values)))


def interleaved(functions, *, rounds):
    """{name: seconds of each round} of {name: function}, after a first round that is not counted.

    The result of a function may be JAX arrays; they are waited for.
    """
    seconds = {name: [] for name in functions}
    for _ in range(1 + rounds):
        for name, function in functions.items():
            seconds[name].append(once(function))
    return {name: values[1:] for name, values in seconds.items()}


def once(function):
    """Seconds that a call takes."""
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def ratios(seconds, *, of, to):
    """How many times as long `of` took as `to`, as a `Spread` over the rounds, each by itself."""
    return Spread.of(np.divide(seconds[of], seconds[to]))
