"""Sound to mel spectrogram in dB, and back, in JAX.

Each function takes one clip, works in the clip's own float dtype, and is meant to be `vmap`ped.
Spectrograms are shaped as librosa shapes them: (bins or bands, frames). Frames are centred, with
zeros beyond the ends. The defaults are the reference's: 51,200 samples give 128 x 256.
"""

import functools

import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral.constants import AMIN, HOP, N_FFT, N_MELS, SAMPLE_RATE, TOP_DB
from dreamsound_jax.spectral.stft import stft


def sound_to_mel_db(
    sound, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT, hop=HOP, n_mels=N_MELS, frames=slice(None)
):
    """The mel power spectrogram of a sound, in dB.

    Args:
      sound: samples (samples,), any float dtype; the reference peak-normalises first.
      sample_rate: in Hz.
      n_fft: samples in a frame; odd or even.
      hop: samples from one frame to the next.
      n_mels: mel bands, from 0 Hz to half the sample rate.
      frames: the indices of those that are wanted.

    Returns:
      (n_mels, frames) in dB re 1, from -100 up, and at most 80 below the loudest cell. As
      `librosa.power_to_db(librosa.feature.melspectrogram(...))`.
    """
    spectrum = stft(sound, n_fft=n_fft, hop=hop, frames=frames)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels)
    return power_to_db(jnp.asarray(filters, sound.dtype) @ power)


def analyse(sound, *, frames=slice(None)):
    """What a network is shown of (samples,), however loud: its mel dB at a largest sample of 1."""
    return sound_to_mel_db(peak_normalise(sound), frames=frames)


def peak_normalise(sound):
    """Scales (samples,) to a largest absolute value of 1; silence stays silent."""
    peak = jnp.abs(sound).max()
    return sound / jnp.where(peak > 0, peak, 1)


def power_to_db(power):
    """10 log10 of power, not below -100 dB, and not more than 80 dB below its own maximum."""
    db = 10 * jnp.log10(jnp.maximum(power, AMIN))
    return jnp.maximum(db, db.max() - TOP_DB)


def db_to_power(db):
    """The inverse of `power_to_db`."""
    return 10 ** (db / 10)


@functools.cache
def mel_filters(*, sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS):
    """Slaney's mel filter bank, area-normalised, 0 Hz to half the sample rate, in float64.

    Returns (n_mels, 1 + n_fft // 2), as `librosa.filters.mel`, whose import compiles for seconds.
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    corners = mel_frequencies(n_mels + 2, highest=sample_rate / 2)
    rise = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * 2 / (corners[2:] - corners[:-2])[:, None]


def mel_frequencies(count, *, highest):
    """`count` frequencies in Hz from 0 to `highest`, evenly spaced on Slaney's mel scale.

    Linear below 1 kHz (15 mels), then a factor of 6.4 every 27 mels. Slaney, "Auditory Toolbox".
    """
    step = np.log(6.4) / 27
    top = 15 + np.log(highest / 1000) / step if highest > 1000 else highest * 3 / 200
    mels = np.linspace(0, top, count)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
