"""The strength of a dream: one number for its gain range, learning rate, steps and distance."""

from dataclasses import replace

import numpy as np

from dreamsound_jax.run.options import DOMAIN_DEFAULTS, NEUTRAL_STRENGTH, Options

# A dream of strength 100 is so far from its input, as `measure_distance` measures it.
FULL_DISTANCE_DB = 14.0
# So many times the gain range, the learning rate and the steps of the other options. A dream by
# these comes near its distance by itself (docs/first_dream.md); it is then scaled to reach it.
STRENGTHS = (0, 14, 32, 58, NEUTRAL_STRENGTH, 100)
GAIN_RANGES = (0, 0.1, 0.25, 0.5, 1, 1.5)
LEARNING_RATES = (0, 0.1, 0.25, 0.5, 1, 1.5)
STEPS = (1, 1, 1, 1, 1, 1.2)


def fill_lr(options: Options) -> Options:
    """Returns options with a learning rate: that of their domain, if none is given."""
    return (
        replace(options, lr=DOMAIN_DEFAULTS[options.domain].lr) if options.lr is None else options
    )


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

    def factor(values):
        return float(np.interp(options.strength, STRENGTHS, values))

    return replace(
        options,
        lr=options.lr * factor(LEARNING_RATES),
        gain_range=options.gain_range * factor(GAIN_RANGES),
        num_iterations=max(1, round(options.num_iterations * factor(STEPS))),
    )
