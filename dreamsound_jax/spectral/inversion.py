"""From a mel spectrogram back to a sound: least squares, then Griffin-Lim."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dreamsound_jax.spectral import loop
from dreamsound_jax.spectral.mel import db_to_power
from dreamsound_jax.spectral.stft import CONSTANT, frame, hann, make_inverse

NNLS_ITERATIONS = 30
GRIFFIN_LIM_ITERATIONS = 32
MOMENTUM = 0.99


def mel_db_to_magnitude(mel_db: jax.Array, filters: np.ndarray) -> jax.Array:
    """Magnitudes (bins, frames) whose mel bands are near `mel_db`, by non-negative least squares.

    Args:
      mel_db: (n_mels, frames) in dB re 1.
      filters: (n_mels, bins), as `mel_bands` gives it.
    """
    power = optax.nnls(
        jnp.asarray(filters, mel_db.dtype),
        db_to_power(mel_db),
        NNLS_ITERATIONS,
        L=float(np.linalg.norm(filters, 2)) ** 2,
    )
    return jnp.sqrt(power)


def griffin_lim(
    key: jax.Array, magnitude: jax.Array, *, n_fft: int, hop: int, pad_mode: str = CONSTANT
) -> jax.Array:
    """A sound whose STFT has about the given magnitude, from a random phase.

    Args:
      key: random key of the first phase.
      magnitude: (1 + n_fft // 2, frames).
      n_fft, hop: samples in a frame, and from one frame to the next.
      pad_mode: of the analysis that gave the magnitude; see `stft`.

    Returns:
      `sample_count(frames)` samples: 256 frames of 441 with a hop of 200 give 51,001.

    The fast algorithm of Perraudin, Balazs and Søndergaard, 2013, with its momentum scaled as
    librosa scales it.
    """
    return _find_phases(
        key,
        magnitude,
        n_fft=n_fft,
        cut=lambda sound: frame(sound, n_fft, hop, pad_mode),
        invert=make_inverse(magnitude.shape[1], magnitude.dtype, n_fft=n_fft, hop=hop),
    )


def griffin_lim_loop(
    key: jax.Array, magnitude: jax.Array, *, n_fft: int, samples: int
) -> jax.Array:
    """As `griffin_lim`, a loop of so many samples, whose magnitude is that of `loop.stft`."""
    count, dtype = magnitude.shape[1], magnitude.dtype
    return _find_phases(
        key,
        magnitude,
        n_fft=n_fft,
        cut=lambda sound: loop.frame(sound, n_fft, count),
        invert=loop.make_inverse(count, dtype, n_fft=n_fft, samples=samples),
    )


def _find_phases(
    key: jax.Array,
    magnitude: jax.Array,
    *,
    n_fft: int,
    cut: Callable[[jax.Array], jax.Array],
    invert: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Iterates between spectra (frames, bins) and sounds, which `cut` cuts into frames."""
    turn = MOMENTUM / (1 + MOMENTUM)
    tiny = jnp.finfo(magnitude.dtype).tiny
    # The frame axis comes first, as the transform wants it: transposing twice an iteration would
    # cost more. The fast transform is exact enough for phases.
    target, window = magnitude.T, hann(n_fft, magnitude.dtype)

    def improve(carry, _):
        phase, previous = carry
        rebuilt = jnp.fft.rfft(cut(invert(target * phase)) * window)
        phase = rebuilt - turn * previous
        # Faster than the absolute value, whose square root guards against overflow.
        power = phase.real**2 + phase.imag**2
        return (phase * jax.lax.rsqrt(power + tiny), rebuilt), None

    angle = 2 * jnp.pi * jax.random.uniform(key, magnitude.shape, magnitude.dtype).T
    start = (jnp.exp(1j * angle), jnp.zeros_like(target, jnp.result_type(target, 1j)))
    (phase, _), _ = jax.lax.scan(improve, start, length=GRIFFIN_LIM_ITERATIONS)
    return invert(target * phase)
