"""What a dream did to a sound, as numbers for the studies: its distance, spectrum and silences.

Sounds are (samples,) at 22,050 Hz. The measures have their own analysis, so that they mean the same
whatever network dreams.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.spectral.stft import stft

SAMPLE_RATE, N_FFT, HOP = 22050, 441, 200
# Cells further below the loudest cell count as equal.
FLOOR_DB = -80.0
# A frame so far below the loudest one counts as silent.
NEAR_SILENCE_DB = -50.0
HIGH_HZ = 6000.0
_SMALLEST_POWER = 1e-10


def log_spectral_distance(sound: ArrayLike, other: ArrayLike) -> float:
    """The log-spectral distance between two sounds in dB, whatever their levels.

    The root mean square difference of their log spectra over bins, averaged over frames (Gray and
    Markel, "Distance Measures for Speech Processing", 1976), after the mean difference is removed.
    Cells more than 80 dB below the loudest one count as equal; the longer sound is cut.
    """
    spectra = [_power_db(each) for each in (sound, other)]
    frames = min(db.shape[1] for db in spectra)
    difference = spectra[0][:, :frames] - spectra[1][:, :frames]
    difference -= difference.mean()
    return float(jnp.sqrt(jnp.square(difference).mean(axis=0)).mean())


def spectral_flatness(sound: ArrayLike) -> float:
    """How noise-like the spectrum is, averaged over frames: 0 (a few tones) to 1 (white noise).

    The geometric over the arithmetic mean of the power, weighted by the power of the frames.
    """
    power = jnp.maximum(_power(sound), _SMALLEST_POWER)
    arithmetic = power.mean(axis=0)
    flatness = jnp.exp(jnp.log(power).mean(axis=0)) / arithmetic
    return float((flatness * arithmetic).sum() / arithmetic.sum())


def frame_levels_db(sound: ArrayLike) -> jax.Array:
    """The level of each frame, (frames,), in dB relative to the loudest one; at least -100."""
    power = _power(sound).mean(axis=0)
    return 10 * jnp.log10(jnp.maximum(power / power.max(), _SMALLEST_POWER))


def silent_share(sound: ArrayLike) -> float:
    """The share of frames more than 50 dB below the loudest one."""
    return float((frame_levels_db(sound) < NEAR_SILENCE_DB).mean())


def high_share(sound: ArrayLike) -> float:
    """The share of the energy that lies above 6 kHz."""
    power = _power(sound)
    high = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE) > HIGH_HZ
    return float(power[high].sum() / power.sum())


def frechet_distance(activations: np.ndarray, others: np.ndarray) -> float:
    """The Fréchet distance between two sets of activations (examples, features).

    Each set is taken for a sample of a normal distribution.

    Dowson and Landau, 1982; for sound, Kilgour and others, "Fréchet Audio Distance", 2019.
    """
    means = [each.mean(axis=0) for each in (activations, others)]
    covariances = [np.cov(each, rowvar=False) for each in (activations, others)]
    # The trace of the square root of a product of covariances, by its eigenvalues.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0))
    spread = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots.sum()
    return float(np.sum((means[0] - means[1]) ** 2) + spread)


def _power(sound):
    return jnp.square(jnp.abs(_stft(jnp.asarray(sound))))


def _power_db(sound):
    power = _power(sound)
    db = 10 * jnp.log10(jnp.maximum(power, jnp.finfo(power.dtype).tiny))
    return jnp.maximum(db, db.max() + FLOOR_DB)


_stft = jax.jit(functools.partial(stft, n_fft=N_FFT, hop=HOP))
