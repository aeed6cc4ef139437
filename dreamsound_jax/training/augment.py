"""Small changes to a spectrogram that do not change what it is a spectrogram of."""

import jax
import jax.numpy as jnp

GAIN = 6 / 17  # level, up or down: 6 dB, in standard deviations of 17 dB
TILT = 8 / 17  # slope from the lowest to the highest band: 8 dB
MASKED_BANDS = 0.125  # the widest strip hidden, of all bands
MASKED_FRAMES = 0.2  # the longest strip hidden, of all frames


def augment(key, spectrogram):
    """Changes level and slope a little, and hides one strip of bands and one of frames.

    Args:
      key: JAX random key.
      spectrogram: standardised (mel bands, frames).

    Returns:
      (mel bands, frames); what is hidden is 0, the mean. After SpecAugment, Park et al., 2019.
    """
    bands, frames = spectrogram.shape
    for_gain, for_tilt, for_bands, for_frames = jax.random.split(key, 4)
    gain = jax.random.uniform(for_gain, minval=-GAIN, maxval=GAIN)
    tilt = jax.random.uniform(for_tilt, minval=-TILT, maxval=TILT)
    slope = tilt * jnp.linspace(-0.5, 0.5, bands)[:, None]
    seen_bands = _mask(for_bands, bands, int(MASKED_BANDS * bands))[:, None]
    seen_frames = _mask(for_frames, frames, int(MASKED_FRAMES * frames))
    return (spectrogram + gain + slope) * seen_bands * seen_frames


def _mask(key, size, longest):
    """Ones (size,), but for a strip of zeros of a random length up to `longest`."""
    for_length, for_start = jax.random.split(key)
    length = jax.random.randint(for_length, (), 0, longest + 1)
    start = jax.random.randint(for_start, (), 0, size - length + 1)
    place = jnp.arange(size)
    return ((place < start) | (place >= start + length)).astype(jnp.float32)
