"""From a mel spectrogram back to a sound: least squares, then Griffin-Lim."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dreamsound_jax.spectral.constants import HOP, N_FFT, SAMPLE_RATE
from dreamsound_jax.spectral.mel import db_to_power, mel_filters
from dreamsound_jax.spectral.stft import _frames, _hann, _inverter

NNLS_ITERATIONS = 30
GRIFFIN_LIM_ITERATIONS = 32
MOMENTUM = 0.99


def mel_db_to_sound(key, mel_db, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT, hop=HOP):
    """A sound whose mel spectrogram is near `mel_db`: non-negative least squares, Griffin-Lim.

    Args:
      key: JAX random key for the initial phase.
      mel_db: (mel bands, frames) in dB re 1.
      sample_rate, n_fft, hop: of the analysis that gave `mel_db`.

    Returns:
      Samples ((frames - 1) * hop + n_fft - 2 * (n_fft // 2),): 256 frames give 51,001.
    """
    magnitude = mel_db_to_magnitude(mel_db, sample_rate=sample_rate, n_fft=n_fft)
    return griffin_lim(key, magnitude, n_fft=n_fft, hop=hop)


def mel_db_to_magnitude(mel_db, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT):
    """Magnitudes (1 + n_fft // 2, frames) whose mel bands are near `mel_db`, in dB re 1."""
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=mel_db.shape[0])
    power = optax.nnls(
        jnp.asarray(filters, mel_db.dtype),
        db_to_power(mel_db),
        NNLS_ITERATIONS,
        L=float(np.linalg.norm(filters, 2)) ** 2,
    )
    return jnp.sqrt(power)


def griffin_lim(key, magnitude, *, n_fft=N_FFT, hop=HOP):
    """Finds a phase for `magnitude` (1 + n_fft // 2, frames), from a random one; the sound.

    The fast algorithm of Perraudin, Balazs and Søndergaard, 2013, as librosa scales its momentum.
    """
    turn = MOMENTUM / (1 + MOMENTUM)
    tiny = jnp.finfo(magnitude.dtype).tiny
    # Frames come first, as they are transformed: turning them twice a round would take longer. And
    # the fast transform is exact enough for phases.
    wanted, window = magnitude.T, _hann(n_fft, magnitude.dtype)
    invert = _inverter(wanted.shape[0], wanted.dtype, n_fft, hop)

    def improve(carry, _):
        phase, previous = carry
        frames = _frames(invert(wanted * phase), n_fft, hop)
        rebuilt = jnp.fft.rfft(frames * window)
        phase = rebuilt - turn * previous
        power = phase.real**2 + phase.imag**2  # faster than the absolute value, whose root is safe
        return (phase * jax.lax.rsqrt(power + tiny), rebuilt), None

    angle = 2 * jnp.pi * jax.random.uniform(key, magnitude.shape, magnitude.dtype).T
    start = (jnp.exp(1j * angle), jnp.zeros_like(wanted, jnp.result_type(wanted, 1j)))
    (phase, _), _ = jax.lax.scan(improve, start, length=GRIFFIN_LIM_ITERATIONS)
    return invert(wanted * phase)
