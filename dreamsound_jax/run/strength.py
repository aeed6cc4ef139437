"""The strength of a dream: one number for its gain range, learning rate, steps and distance."""

from dataclasses import replace

import numpy as np

from dreamsound_jax.run.options import Options
from dreamsound_jax.run.options.defaults import DOMAIN_DEFAULTS, NEUTRAL_STRENGTH

# A dream of strength 100 is so far from its input, as `measure_distance` measures it.
FULL_DISTANCE_DB = 14.0
# At each of these strengths, the gain range and the learning rate are so many times what the other
# options say, and so are the steps. A dream by these comes near its distance by itself
# (docs/first_dream.md); it is then scaled to reach it.
STRENGTHS = (0, 14, 32, 58, NEUTRAL_STRENGTH, 100)
SIZES = (0, 0.1, 0.25, 0.5, 1, 1.5)
STEPS = (1, 1, 1, 1, 1, 1.2)


def fill_lr(options: Options) -> Options:
    """Returns options with a learning rate: that of their domain, if none is given."""
    if options.lr is not None:
        return options
    return replace(options, lr=DOMAIN_DEFAULTS[options.domain].lr)


def distance_of(strength: float | None) -> float | None:
    """Returns how far a dream of a strength is to be from its input, in dB."""
    return None if strength is None else FULL_DISTANCE_DB * strength / 100


def strength_of(distance_db: float) -> float:
    """Returns the strength of a dream that is so far from its input, from 0 to 100."""
    return min(100.0, 100 * distance_db / FULL_DISTANCE_DB)


def apply_strength(options: Options) -> Options:
    """Returns options with a learning rate, and with their strength in what it sets.

    The learning rate, the gain range and the steps that are given are those of the neutral
    strength.

    Example:
      >>> strong = apply_strength(Options(strength=100))
      >>> strong.lr, strong.gain_range, strong.num_iterations
      (0.12, 36.0, 12)
    """
    options = fill_lr(options)
    if options.strength is None:
        return options

    assert options.lr is not None, "it was filled in"
    size, steps = (np.interp(options.strength, STRENGTHS, each).item() for each in (SIZES, STEPS))
    return replace(
        options,
        lr=options.lr * size,
        gain_range=options.gain_range * size,
        num_iterations=max(1, round(options.num_iterations * steps)),
    )
