"""Habituation: an ouroboros turns away from what has sounded for some rounds, and so keeps moving.

Without it, each round raises what the round before has raised, matching the levels takes that back,
and the ouroboros stands still. docs/ouroboros_measured.md has what was measured. Each function
takes one clip and is meant to be `vmap`ped; spectrograms are (mel bands, frames).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

# The share of the memory that is kept from one round to the next.
MEMORY_KEPT = 0.7
# How strongly a step turns away from the memory, relative to how strongly it climbs.
TURN_STRENGTH = 0.5
# The root mean square change that each dream should make to its spectrogram, in dB.
TARGET_MOVED_DB = 3.5
# The learning rate is multiplied by this at most.
LARGEST_RATE_FACTOR = 8.0


class Habituation(NamedTuple):
    """What an ouroboros is used to.

    Attributes:
      familiar_db: the memory, (mel bands, frames): how far each cell stood above the mean of its
        band in the last rounds.
      rate_factor: a scalar by which the learning rate is multiplied, so that a dream moves its
        spectrogram as far as it should.
    """

    familiar_db: jax.Array
    rate_factor: jax.Array


def begin_habituation(mel_db: jax.Array) -> Habituation:
    """Returns the habituation before the first round: nothing is familiar.

    Args:
      mel_db: of the input.
    """
    return Habituation(jnp.zeros_like(mel_db), jnp.ones((), mel_db.dtype))


def habituate(
    habituation: Habituation, mel_db: jax.Array, *, moved_db: ArrayLike, first: ArrayLike
) -> Habituation:
    """Returns the habituation after a round.

    Args:
      habituation: in that round.
      mel_db: of its dream.
      moved_db: how far the dream moved, root mean square in dB.
      first: whether it was the first round. That says nothing about the rate, since its levels are
        not matched.
    """
    standing_out = mel_db - mel_db.mean(axis=1, keepdims=True)
    familiar_db = MEMORY_KEPT * habituation.familiar_db + (1 - MEMORY_KEPT) * standing_out
    shortfall = TARGET_MOVED_DB / jnp.maximum(moved_db, TARGET_MOVED_DB / 100)
    # The square root damps the correction, so that the factor settles.
    corrected = jnp.clip(habituation.rate_factor * jnp.sqrt(shortfall), 1, LARGEST_RATE_FACTOR)
    return Habituation(familiar_db, jnp.where(first, habituation.rate_factor, corrected))


def turn_away(familiar_db: jax.Array) -> optax.GradientTransformation:
    """Returns a transformation of a gradient, to be descended, that also lowers the familiar.

    Args:
      familiar_db: as in `Habituation`, in the shape of the gradient.
    """
    deviation = familiar_db.std()
    centred = familiar_db - familiar_db.mean()
    direction = TURN_STRENGTH * centred / jnp.where(deviation > 0, deviation, 1)
    return optax.stateless(lambda gradient, params: gradient + gradient.std() * direction)
