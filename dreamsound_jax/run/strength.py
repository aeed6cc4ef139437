"""The strength of a dream: one number for its gain range, its learning rate and its steps."""

from dataclasses import replace

import numpy as np

from dreamsound_jax.run.options import DOMAIN_DEFAULTS, NEUTRAL_STRENGTH, Options

# So many times the gain range, the learning rate and the steps of the other options. Measured so
# that the log-spectral distance from the input rises evenly: docs/first_dream.md.
STRENGTHS = (0, 15, 30, 45, NEUTRAL_STRENGTH, 80, 100)
GAIN_RANGES = (0, 0.2, 0.42, 0.68, 1, 1.5, 2)
LEARNING_RATES = (0, 0.2, 0.42, 0.68, 1, 2, 4)
STEPS = (1, 1, 1, 1, 1, 1.5, 2)


def fill_lr(options: Options) -> Options:
    """Returns options with a learning rate: that of their domain, if none is given."""
    return (
        replace(options, lr=DOMAIN_DEFAULTS[options.domain].lr) if options.lr is None else options
    )


def apply_strength(options: Options) -> Options:
    """Returns options with a learning rate, and with their strength in what it sets.

    The learning rate, the gain range and the steps that are given are those of the neutral
    strength.

    Example:
      >>> strong = apply_strength(Options(strength=100))
      >>> strong.lr, strong.gain_range, strong.num_iterations
      (0.32, 48.0, 20)
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
