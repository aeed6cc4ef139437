"""Views: the network sees each step's spectrogram several times, each time a little changed.

A gradient that is averaged over small changes follows what the network hears in all of them, and
not what it hears by chance (transformation robustness in Feature Visualization, 2017).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.dreaming.ascent import Hill


class Jitter(NamedTuple):
    """By how much views differ; data of a clip.

    Attributes:
      key: the data of the random key of the clip's views.
      frames: a view is rolled in time by up to so many frames of the input.
      bands: it is shifted by up to so many mel bands of the input; the outermost ones are repeated.
      gain: it is louder or quieter by up to so much, in standard deviations.
      noise: it has normal noise of so many standard deviations.
    """

    key: jax.Array | np.ndarray
    frames: ArrayLike
    bands: ArrayLike
    gain: ArrayLike
    noise: ArrayLike


def average_views(
    jitter: Jitter, *, count: int, whole: tuple[int, int], level: int
) -> Callable[[Hill, jax.Array], Hill]:
    """Returns a function that makes of an objective its mean over the views of a step.

    Args:
      jitter: by how much views differ.
      count: number of views of a step.
      whole: (mel bands, frames) of the input.
      level: the number of the pyramid's level, by which views are drawn.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(jitter.key)), level)

    def at_step(hill: Hill, number: jax.Array) -> Hill:
        keys = jax.random.split(jax.random.fold_in(key, number), count)

        def mean_of_views(observed):
            look = jax.vmap(lambda each: hill(change_view(each, observed, jitter, whole=whole)))
            return look(keys).mean(axis=0)

        return mean_of_views

    return at_step


def change_view(
    key: jax.Array, observed: jax.Array, jitter: Jitter, *, whole: tuple[int, int]
) -> jax.Array:
    """Returns one view of a spectrogram (mel bands, frames) at any level of the pyramid.

    Args:
      key: of this view.
      observed: the spectrogram, standardised.
      jitter: by how much views differ.
      whole: (mel bands, frames) of the input, of which the jitter's frames and bands are.
    """
    in_time, in_pitch, in_gain, of_noise = jax.random.split(key, 4)
    bands, frames = observed.shape

    def draw(key, most):
        return jax.random.uniform(key, (), observed.dtype, -1, 1) * most

    roll = jnp.round(draw(in_time, jitter.frames * (frames / whole[1]))).astype(int)
    shift = jnp.round(draw(in_pitch, jitter.bands * (bands / whole[0]))).astype(int)
    rows = jnp.clip(jnp.arange(bands) - shift, 0, bands - 1)
    moved = jnp.roll(observed, roll, axis=1)[rows]
    noise = jitter.noise * jax.random.normal(of_noise, observed.shape, observed.dtype)
    return moved + draw(in_gain, jitter.gain) + noise
