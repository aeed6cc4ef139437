"""Augments spectrograms by changes that do not change their class."""

import jax
import jax.numpy as jnp

# Both are in standard deviations of 17 dB.
MAX_GAIN = 6 / 17  # The level changes by up to 6 dB.
MAX_TILT = 8 / 17  # The slope from the lowest to the highest band changes by up to 8 dB.
MAX_MASKED_BANDS = 0.125  # The share of all bands that are hidden, at most.
MAX_MASKED_FRAMES = 0.2  # The share of all frames that are hidden, at most.


def augment(key: jax.Array, spectrogram: jax.Array) -> jax.Array:
    """Changes level and slope of a spectrogram, and hides some neighbouring bands and frames.

    The masks are those of SpecAugment (Park et al., 2019).

    Args:
      key: a JAX random key.
      spectrogram: a standardised spectrogram (mel bands, frames).

    Returns:
      The changed spectrogram (mel bands, frames), with zeros, the mean, where it is hidden.
    """
    bands, frames = spectrogram.shape
    gain_key, tilt_key, bands_key, frames_key = jax.random.split(key, 4)
    gain = jax.random.uniform(gain_key, minval=-MAX_GAIN, maxval=MAX_GAIN)
    tilt = jax.random.uniform(tilt_key, minval=-MAX_TILT, maxval=MAX_TILT)
    slope = tilt * jnp.linspace(-0.5, 0.5, bands)[:, None]
    band_mask = _draw_mask(bands_key, bands, int(MAX_MASKED_BANDS * bands))[:, None]
    frame_mask = _draw_mask(frames_key, frames, int(MAX_MASKED_FRAMES * frames))
    return (spectrogram + gain + slope) * band_mask * frame_mask


def _draw_mask(key, size, max_length):
    """Returns ones (size,) with a run of zeros of a random length up to `max_length`."""
    length_key, start_key = jax.random.split(key)
    length = jax.random.randint(length_key, (), 0, max_length + 1)
    start = jax.random.randint(start_key, (), 0, size - length + 1)
    position = jnp.arange(size)
    return ((position < start) | (position >= start + length)).astype(jnp.float32)
