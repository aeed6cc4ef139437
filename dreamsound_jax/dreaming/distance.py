"""How far a dream is from its input, and how a dream is brought to a wanted distance."""

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domain import Domain

AnyArray = jax.Array | np.ndarray

# Cells that are further below the loudest one count as equal: they are not heard beside it.
AUDIBLE_DB = 60.0
# A change is made so many times as large. The distance rises at first, and falls when most cells
# are at the bounds of the gain: the first of these that reaches the wanted distance is sought, and
# the interval before it is halved so often.
_TIMES = (0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.25, 1.5, 2, 3, 4, 6, 8)
_HALVINGS = 8


def measure_distance(before_db: AnyArray, after_db: AnyArray) -> AnyArray:
    """Measures the log-spectral distance of two spectrograms at equal power, in dB.

    It is the root mean square change over the cells that are heard in at least one of them.

    Args:
      before_db, after_db: (mel bands, frames) in dB. NumPy arrays are measured on the host, where
        nothing needs to be compiled for their shape.

    Returns:
      A scalar, 0 or more.

    Example:
      >>> quiet_then_loud = jnp.array([[-20.0, 0.0]])
      >>> round(float(measure_distance(quiet_then_loud, quiet_then_loud + 3)), 3)
      0.0
    """
    xp = before_db.__array_namespace__()  # NumPy, or jax.numpy.
    before, after = (_equalise_power(each, xp) for each in (before_db, after_db))
    floor = xp.maximum(before.max(), after.max()) - AUDIBLE_DB
    change = xp.maximum(after, floor) - xp.maximum(before, floor)
    heard = (before > floor) | (after > floor)
    return xp.sqrt(xp.sum(xp.square(change)) / xp.maximum(xp.sum(heard), 1))


def _equalise_power(mel_db, xp):
    relative_db = mel_db - mel_db.max()
    return relative_db - 10 * xp.log10(xp.sum(10 ** (relative_db / 10)))


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
    times = find_scale(clip, parameters, wanted_db)
    return jnp.where(jnp.isnan(wanted_db), parameters, scale_change(clip, parameters, times))


def scale_change(clip: Domain, parameters: jax.Array, times: jax.Array) -> jax.Array:
    """Makes what a dream changed so many times as large, within the bounds of the domain."""
    start = clip.initial()
    scaled = start + times * (parameters - start)
    return jnp.where(times > 1, jnp.clip(scaled, -clip.bound(), clip.bound()), scaled)


def find_scale(clip: Domain, parameters: jax.Array, wanted_db: jax.Array) -> jax.Array:
    """Returns how many times as large `scale_to_distance` makes what a dream changed."""
    observe, destandardise = clip.observe(parameters.shape), clip.front_end.destandardise
    input_db = destandardise(clip.spectrogram)

    def measure(times):
        scaled = scale_change(clip, parameters, times)
        return measure_distance(input_db, destandardise(observe(scaled)))

    def halve(_, interval):
        low, high = interval
        middle = (low + high) / 2
        is_short = measure(middle) < wanted_db
        return jnp.where(is_short, middle, low), jnp.where(is_short, high, middle)

    all_times = jnp.asarray(_TIMES, parameters.dtype)
    distances = jax.lax.map(measure, all_times)
    reaches = distances >= wanted_db
    first = jnp.argmax(reaches)
    interval = all_times[jnp.maximum(first - 1, 0)], all_times[first]
    _, nearest = jax.lax.fori_loop(0, _HALVINGS, halve, interval)
    times = jnp.where(reaches.any(), nearest, all_times[jnp.argmax(distances)])
    return jnp.where(jnp.isnan(wanted_db), 1, times)
