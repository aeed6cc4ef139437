"""How far an ouroboros has overcooked, as a number, and a way to prevent it.

Fed back into itself, a dream piles up at the ends of its range: loud bands grow until they screech,
quiet ones drain to silence. The sound *overcooks*. Each function takes one clip and is meant to be
`vmap`ped; spectrograms are (mel bands, frames) in dB.
"""

import jax
import jax.numpy as jnp

# Levels further below the loudest cell of the input count as equal.
AUDIBLE_DB = 60.0


def overcooked_index(mel_db: jax.Array, input_db: jax.Array) -> jax.Array:
    """How far the levels in each mel band are from those of the input, wherever in time: in dB.

    In each band, the 2-Wasserstein distance between the two distributions of levels; over bands,
    the fourth root of the mean fourth power, since one whistling band can spoil a sound. It
    responds to bands that grow (screeching), to cells that pile up at the clamp or drain to
    silence, and to growth of the whole; not to when things happen, so a clip may change its detail
    for ever and keep an index of 0.

    Args:
      mel_db: of a sound, at the level that it has: `FrontEnd.level_db`.
      input_db: of the sound with which the ouroboros began.
    """
    floor = input_db.max() - AUDIBLE_DB
    levels, wanted = (_sorted(jnp.maximum(each, floor)) for each in (mel_db, input_db))
    squared = jnp.mean(jnp.square(levels - wanted), axis=1)
    return jnp.mean(jnp.square(squared)) ** 0.25


def match_levels(mel_db: jax.Array, reference_db: jax.Array) -> jax.Array:
    """Gives each mel band the levels that it has in `reference_db`, and keeps their order.

    The loudest frame of a band becomes as loud as the loudest of the reference, and so on down:
    histogram specification, which makes `overcooked_index` 0 by the smallest change.
    """
    ranks = jnp.argsort(jnp.argsort(mel_db, axis=1), axis=1)
    return jnp.take_along_axis(_sorted(reference_db), ranks, axis=1)


def _sorted(mel_db):
    return jnp.sort(mel_db, axis=1)
