"""How far a dream is from its input, and how a dream is brought to a wanted distance."""

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domain import Domain

# Cells that are further below the loudest one count as equal: they are not heard beside it.
AUDIBLE_DB = 60.0
# A change may be enlarged up to so many times, and the search halves the interval so often.
_MOST_TIMES = 8.0
_HALVINGS = 14


def measure_distance(before_db: jax.Array, after_db: jax.Array) -> jax.Array:
    """Measures the log-spectral distance of two spectrograms at equal power, in dB.

    It is the root mean square change over the cells that are heard in at least one of them.

    Args:
      before_db, after_db: (mel bands, frames) in dB.

    Returns:
      A scalar, 0 or more.

    Example:
      >>> quiet_then_loud = jnp.array([[-20.0, 0.0]])
      >>> float(measure_distance(quiet_then_loud, quiet_then_loud + 3))
      0.0
    """
    before, after = (_equalise_power(each) for each in (before_db, after_db))
    floor = jnp.maximum(before.max(), after.max()) - AUDIBLE_DB
    change = jnp.maximum(after, floor) - jnp.maximum(before, floor)
    heard = (before > floor) | (after > floor)
    return jnp.sqrt(jnp.sum(jnp.square(change)) / jnp.maximum(jnp.sum(heard), 1))


def _equalise_power(mel_db):
    return mel_db - 10 / np.log(10) * jax.nn.logsumexp(np.log(10) / 10 * mel_db)


def scale_to_distance(clip: Domain, parameters: jax.Array, wanted_db: jax.Array) -> jax.Array:
    """Scales what a dream changed, so that it is as far from its input as wanted.

    The change is made smaller, or up to eight times as large within the bounds of the domain. What
    made it does not matter: any layer, class or network.

    Args:
      clip: the domain.
      parameters: the dream, of the last level.
      wanted_db: a distance as `measure_distance` measures it; NaN for the dream as it is.

    Returns:
      The scaled parameters. Where the distance cannot be reached, they are as far as they can be.
    """
    start, observe = clip.initial(), clip.observe(parameters.shape)
    destandardise = clip.front_end.destandardise
    input_db = destandardise(clip.spectrogram)

    def scale(times):
        scaled = start + times * (parameters - start)
        return jnp.where(times > 1, jnp.clip(scaled, -clip.bound(), clip.bound()), scaled)

    def halve(_, interval):
        low, high = interval
        middle = (low + high) / 2
        is_near = measure_distance(input_db, destandardise(observe(scale(middle)))) < wanted_db
        return jnp.where(is_near, middle, low), jnp.where(is_near, high, middle)

    ends = jnp.zeros_like(wanted_db), jnp.full_like(wanted_db, _MOST_TIMES)
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, ends)
    times = jnp.where(wanted_db > 0, (low + high) / 2, 0)
    return jnp.where(jnp.isnan(wanted_db), parameters, scale(times))
