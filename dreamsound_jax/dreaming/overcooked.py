"""When a dream of a dream has lost its sound, as a number; and what keeps it.

Fed back into itself, a dream piles up at the ends of the scale: what is loud becomes as loud as it
can be and screeches, what is quiet falls silent. The sound *overcooks*. Each function takes one
clip and is meant to be `vmap`ped; spectrograms are (mel bands, frames) in dB.
"""

import jax.numpy as jnp

AUDIBLE_DB = 60.0  # below the loudest cell of the input


def index(mel_db, input_db):
    """How far the levels in each mel band are from those of the input, wherever in time: in dB.

    In each band, the 2-Wasserstein distance between the two distributions of levels; over bands,
    the fourth root of the mean fourth power, for one whistling band can spoil a sound. It sees
    bands that grow (screeching), cells that pile up at the clamp or drain to silence, and growth of
    the whole; not when things happen, so a clip may change its detail for ever and keep an index of
    0. Levels over 60 dB below the loudest of the input count as equal.

    Args:
      mel_db: of a sound, as loud as it comes: `mel.sound_to_mel_db`.
      input_db: of the sound where all began.
    """
    floor = input_db.max() - AUDIBLE_DB
    levels, wanted = (_sorted(jnp.maximum(each, floor)) for each in (mel_db, input_db))
    squared = jnp.mean(jnp.square(levels - wanted), axis=1)
    return jnp.mean(jnp.square(squared)) ** 0.25


def settle(mel_db, reference_db):
    """Gives each mel band the levels that it has in `reference_db`, and leaves the order as it is.

    The loudest frame of a band becomes as loud as the loudest of the reference, and so on down:
    histogram specification, which puts the `index` between the two to 0 with the least change.
    """
    ranks = jnp.argsort(jnp.argsort(mel_db, axis=1), axis=1)
    return jnp.take_along_axis(_sorted(reference_db), ranks, axis=1)


def _sorted(mel_db):
    return jnp.sort(mel_db, axis=1)
