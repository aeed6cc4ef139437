"""The short-time Fourier transform and its inverse, in JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral.constants import HOP, N_FFT

PARTS = 4  # of each sum of the Fourier transform


def frame_count(samples, *, n_fft=N_FFT, hop=HOP):
    """How many frames a sound of so many samples gives."""
    return 1 + (samples + 2 * (n_fft // 2) - n_fft) // hop


def stft(sound, *, n_fft=N_FFT, hop=HOP, frames=slice(None), to_be_heard=False):
    """Short-time Fourier transform, periodic Hann window: (samples,) -> (bins, frames).

    Args:
      sound: (samples,).
      n_fft: samples in a frame; hop: from one to the next.
      frames: which of them, by their indices.
      to_be_heard: whether it becomes a sound again: then a fast transform does, whose rounding,
        135 dB below a tone, is no more than that of `istft`. A level of a dream compiles for a
        tenth less time.
    """
    windowed = _frames(sound, n_fft, hop)[frames] * _hann(n_fft, sound.dtype)
    return (jnp.fft.rfft(windowed) if to_be_heard else _dft(windowed)).T


def istft(spectrum, *, n_fft=N_FFT, hop=HOP, samples=None):
    """Least-squares inverse of `stft`: (bins, frames) -> (samples,).

    `samples` is how many; by default as many as librosa gives, which may be fewer than were
    analysed. Griffin and Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984.
    """
    invert = _inverter(spectrum.shape[1], spectrum.real.dtype, n_fft, hop, samples)
    return invert(spectrum.T)


def _inverter(count, dtype, n_fft, hop, samples=None):
    """A function: so many frames' spectra, (frames, bins), to samples, by least squares."""
    window = _hann(n_fft, dtype)
    samples = samples or (count - 1) * hop + n_fft - 2 * (n_fft // 2)
    weight = _overlap_add(jnp.broadcast_to(window**2, (count, n_fft)), n_fft, hop, samples)
    weight = jnp.where(weight > jnp.finfo(dtype).tiny, weight, 1)
    return lambda spectra: (
        _overlap_add(jnp.fft.irfft(spectra, n_fft) * window, n_fft, hop, samples) / weight
    )


def _hann(n_fft, dtype):
    return jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft), dtype)


def _dft(frames):
    """The rfft of real (frames, n_fft), as matrix products of frames folded at their middle.

    Folding halves the sums. Of every `PARTS`-th sample a sum stays small on its way, and with it
    what is rounded: 80 dB below a tone, float32 is within 1e-3 dB of what librosa finds, where one
    product of all samples, or `jnp.fft.rfft`, may not be.
    """
    count = frames.shape[1] // 2
    rising, falling = frames[:, 1 : count + 1], frames[:, ::-1][:, :count]
    cosines, sines = (jnp.asarray(part, frames.dtype) for part in _folded_dft(frames.shape[1]))
    real = frames[:, :1] + _product(rising + falling, cosines)
    return jax.lax.complex(real, _product(falling - rising, sines))


def _product(rows, matrix):
    """`rows @ matrix`, all parts at once: a product each, they would compile twice as long."""
    short = -len(matrix) % PARTS
    rows = jnp.pad(rows, ((0, 0), (0, short))).reshape(len(rows), -1, PARTS)
    matrix = jnp.pad(matrix, ((0, short), (0, 0))).reshape(-1, PARTS, matrix.shape[1])
    return sum(jnp.einsum("fsp,spb->pfb", rows, matrix, precision=jax.lax.Precision.HIGHEST))


@functools.cache
def _folded_dft(n_fft):
    samples, bins = np.arange(1, n_fft // 2 + 1), np.arange(n_fft // 2 + 1)
    angles = 2 * np.pi * (np.outer(samples, bins) % n_fft) / n_fft
    # The middle sample of an even frame meets itself.
    weights = np.where(2 * samples == n_fft, 0.5, 1)[:, None]
    return weights * np.cos(angles), weights * np.sin(angles)


def _frames(sound, n_fft, hop):
    """(samples,) -> (frames, n_fft): hop-long blocks, each beside those that follow it."""
    half, blocks_a_frame = n_fft // 2, -(-n_fft // hop)
    count = frame_count(sound.size, n_fft=n_fft, hop=hop)
    length = (count + blocks_a_frame - 1) * hop
    padded = jnp.pad(sound, (half, max(0, length - half - sound.size)))[:length]
    blocks = padded.reshape(-1, hop)
    beside = [blocks[shift : shift + count] for shift in range(blocks_a_frame)]
    return jnp.concatenate(beside, axis=1)[:, :n_fft]


def _overlap_add(frames, n_fft, hop, samples):
    """(frames, n_fft) -> (samples,): the transpose of `_frames`."""
    like = jax.ShapeDtypeStruct((samples,), frames.dtype)
    return jax.linear_transpose(lambda sound: _frames(sound, n_fft, hop), like)(frames)[0]
