"""The short-time Fourier transform and its inverse, in JAX.

Each function takes one clip, works in the clip's own float dtype, and is meant to be `vmap`ped.
Frames are centred, under a periodic Hann window. Beyond its ends a sound is padded as `PAD_MODES`
say.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

# Each sum of the exact Fourier transform is taken in so many parts: see `exact_rfft`.
PARTS = 4
PAD_MODES = CONSTANT, REFLECT = "constant", "reflect"
"""What lies beyond the ends of a sound: zeros, or the sound mirrored at its first and last sample,
again and again if it is short, as `numpy.pad` mirrors it."""


def frame_count(samples: int, *, n_fft: int, hop: int) -> int:
    """Returns how many frames a sound of so many samples has."""
    return 1 + (samples + 2 * (n_fft // 2) - n_fft) // hop


def sample_count(frames: int, *, n_fft: int, hop: int) -> int:
    """Returns how many samples `istft` gives for so many frames, as librosa counts them."""
    return (frames - 1) * hop + n_fft - 2 * (n_fft // 2)


def stft(
    sound: jax.Array,
    *,
    n_fft: int,
    hop: int,
    frames: slice | np.ndarray = slice(None),
    exact: bool = True,
    pad_mode: str = CONSTANT,
) -> jax.Array:
    """Short-time Fourier transform: (samples,) -> (1 + n_fft // 2, frames), complex.

    Args:
      sound: (samples,), of any float dtype.
      n_fft: samples in a frame, odd or even.
      hop: samples from one frame to the next.
      frames: the indices of the frames that are wanted; by default all.
      exact: whether cells far below a loud tone must be exact to 1e-3 dB, as a spectrogram in dB
        needs. Without it `jnp.fft.rfft` is used, whose rounding lies 135 dB below a tone, as that
        of `istft` does; a pyramid level then compiles in a tenth less time.
      pad_mode: one of `PAD_MODES`.
    """
    windowed = frame(sound, n_fft, hop, pad_mode)[frames] * hann(n_fft, sound.dtype)
    return (exact_rfft(windowed) if exact else jnp.fft.rfft(windowed)).T


def istft(spectrum: jax.Array, *, n_fft: int, hop: int, samples: int | None = None) -> jax.Array:
    """Least-squares inverse of `stft`: (bins, frames) -> (samples,).

    Args:
      spectrum: (1 + n_fft // 2, frames), complex.
      n_fft, hop: as in `stft`.
      samples: how many come out; by default `sample_count(frames)`.

    Griffin and Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984.
    """
    dtype = spectrum.real.dtype
    invert = make_inverse(spectrum.shape[1], dtype, n_fft=n_fft, hop=hop, samples=samples)
    return invert(spectrum.T)


def make_inverse(
    frames: int, dtype: DTypeLike, *, n_fft: int, hop: int, samples: int | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Returns a function from spectra (frames, bins) to samples (samples,), by least squares."""
    window = hann(n_fft, dtype)
    samples = samples or sample_count(frames, n_fft=n_fft, hop=hop)
    weight = _overlap_add(jnp.broadcast_to(window**2, (frames, n_fft)), n_fft, hop, samples)
    weight = jnp.where(weight > jnp.finfo(dtype).tiny, weight, 1)
    return lambda spectra: (
        _overlap_add(jnp.fft.irfft(spectra, n_fft) * window, n_fft, hop, samples) / weight
    )


def find_covered(frames: jax.Array, *, n_fft: int, hop: int, samples: int) -> jax.Array:
    """Returns which of `samples` samples lie under any of the frames that are True: (samples,)."""
    covering = jnp.broadcast_to(frames[:, None], (frames.size, n_fft)).astype(jnp.float32)
    return _overlap_add(covering, n_fft, hop, samples) > 0


def hann(n_fft: int, dtype: DTypeLike) -> jax.Array:
    """Returns the periodic Hann window (n_fft,)."""
    return jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft), dtype)


def frame(sound: jax.Array, n_fft: int, hop: int, pad_mode: str = CONSTANT) -> jax.Array:
    """Cuts (samples,) into frames (frames, n_fft): blocks of `hop`, beside those that follow."""
    half, blocks_per_frame = n_fft // 2, -(-n_fft // hop)
    count = frame_count(sound.size, n_fft=n_fft, hop=hop)
    length = (count + blocks_per_frame - 1) * hop
    after = max(0, length - half - sound.size)
    if pad_mode == REFLECT:
        # No frame reads more than half of one beyond the end.
        padded = jnp.pad(jnp.pad(sound, half, mode="reflect"), (0, max(0, after - half)))[:length]
    else:
        padded = jnp.pad(sound, (half, after))[:length]
    blocks = padded.reshape(-1, hop)
    shifted = [blocks[shift : shift + count] for shift in range(blocks_per_frame)]
    return jnp.concatenate(shifted, axis=1)[:, :n_fft]


def _overlap_add(frames, n_fft, hop, samples):
    """Adds overlapping frames (frames, n_fft) up to (samples,): the transpose of `frame`."""
    sound_type = jax.ShapeDtypeStruct((samples,), frames.dtype)
    return jax.linear_transpose(lambda sound: frame(sound, n_fft, hop), sound_type)(frames)[0]


def exact_rfft(frames: jax.Array) -> jax.Array:
    """The rfft of real (frames, n_fft), as matrix products of frames folded at their middle.

    Folding halves the sums. Each sum is taken in `PARTS` parts, of every fourth sample each:
    partial sums stay small, and so does what is rounded. In float32, 80 dB below a tone, the result
    is within 1e-3 dB of librosa's; a single product of all samples, or `jnp.fft.rfft`, may not
    be.
    """
    count = frames.shape[1] // 2
    rising, falling = frames[:, 1 : count + 1], frames[:, ::-1][:, :count]
    cosines, sines = (jnp.asarray(part, frames.dtype) for part in _folded_dft(frames.shape[1]))
    real = frames[:, :1] + _product_in_parts(rising + falling, cosines)
    return jax.lax.complex(real, _product_in_parts(falling - rising, sines))


def _product_in_parts(rows, matrix):
    """Returns `rows @ matrix`, all parts in one einsum: one product each compiles twice as long."""
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
