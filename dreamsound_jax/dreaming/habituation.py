"""Habituation: an ouroboros turns away from what has sounded for some rounds, and so keeps moving.

Without it, each round raises what the round before has raised, matching the levels takes that back,
and the ouroboros stands still. docs/ouroboros.md has what was measured. Each function takes one
clip and is meant to be `vmap`ped; spectrograms are (mel bands, frames).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

# How much of the familiar is kept from one round to the next: it is forgotten in some ten rounds.
KEPT = 0.9
# How strongly a step turns away from the familiar, relative to how strongly it climbs.
STRENGTH = 0.5
# How far each dream should move its spectrogram, root mean square in dB.
WANTED_DB = 3.5
# A learning rate is raised to this multiple of what was asked for, at most.
LARGEST_RATE = 4.0


class Habituation(NamedTuple):
    """What an ouroboros is used to.

    Attributes:
      familiar_db: (mel bands, frames), how far each cell stood above the mean of its band in the
        last rounds.
      rate: the factor on the learning rate with which a dream moves as far as it should.
    """

    familiar_db: jax.Array
    rate: jax.Array


def begin_habituation(mel_db: jax.Array) -> Habituation:
    """Returns the habituation before the first round: nothing is familiar."""
    return Habituation(jnp.zeros_like(mel_db), jnp.ones((), mel_db.dtype))


def habituate(habituation: Habituation, mel_db: jax.Array, *, moved_db, first) -> Habituation:
    """Returns the habituation after a round.

    Args:
      habituation: in that round.
      mel_db: of its dream.
      moved_db: how far the dream moved, root mean square in dB.
      first: whether it was the first round, which says nothing about the rate: levels are not yet
        matched.
    """
    standing_out = mel_db - mel_db.mean(axis=1, keepdims=True)
    familiar_db = KEPT * habituation.familiar_db + (1 - KEPT) * standing_out
    # The square root damps the controller.
    rate = habituation.rate * jnp.sqrt(WANTED_DB / jnp.maximum(moved_db, WANTED_DB / 100))
    rate = jnp.clip(rate, 1, LARGEST_RATE)
    return Habituation(familiar_db, jnp.where(first, habituation.rate, rate))


def turn_away(familiar_db: jax.Array) -> optax.GradientTransformation:
    """Returns a transformation of a gradient, to be descended, that also lowers the familiar.

    Args:
      familiar_db: as in `Habituation`, in the shape of the gradient.
    """
    deviation = familiar_db.std()
    centred = familiar_db - familiar_db.mean()
    direction = STRENGTH * centred / jnp.where(deviation > 0, deviation, 1)
    return optax.stateless(lambda gradient, params: gradient + gradient.std() * direction)
