"""The short-time Fourier transform of a loop, whose end runs into its beginning, and its inverse.

The frames lie around the whole loop, as evenly as whole samples allow: frame i of n is centred at
floor(i * samples / n). So a loop keeps its length, whether or not that is a multiple of the hop,
and no place in it is special. Each function takes one clip, works in the clip's own float dtype,
and is meant to be `vmap`ped.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from dreamsound_jax.spectral.stft import exact_rfft, hann


def frame_count(samples: int, *, hop: int) -> int:
    """Returns how many frames a loop has, so that they are about `hop` samples apart.

    Example:
      >>> frame_count(38661, hop=200)
      193
    """
    return max(1, round(samples / hop))


def find_centres(samples: int, frames: int) -> np.ndarray:
    """Returns the sample at which each frame is centred: (frames,)."""
    return np.arange(frames) * samples // frames


def stft(
    sound: jax.Array,
    *,
    n_fft: int,
    count: int,
    frames: slice | np.ndarray = slice(None),
    exact: bool = True,
) -> jax.Array:
    """Short-time Fourier transform of a loop: (samples,) -> (1 + n_fft // 2, frames), complex.

    Args:
      sound: (samples,), of any float dtype.
      n_fft: samples in a frame.
      count: how many frames lie around the loop.
      frames: the indices of the frames that are wanted; by default all.
      exact: as in `spectral.stft.stft`.
    """
    windowed = frame(sound, n_fft, count, frames=frames) * hann(n_fft, sound.dtype)
    return (exact_rfft(windowed) if exact else jnp.fft.rfft(windowed)).T


def istft(spectrum: jax.Array, *, n_fft: int, samples: int) -> jax.Array:
    """Least-squares inverse of `stft`: (bins, frames) -> (samples,)."""
    invert = make_inverse(spectrum.shape[1], spectrum.real.dtype, n_fft=n_fft, samples=samples)
    return invert(spectrum.T)


def make_inverse(
    frames: int, dtype: DTypeLike, *, n_fft: int, samples: int
) -> Callable[[jax.Array], jax.Array]:
    """Returns a function from spectra (frames, bins) to a loop (samples,), by least squares."""
    window = hann(n_fft, dtype)
    weight = _overlap_add(jnp.broadcast_to(window**2, (frames, n_fft)), samples)
    weight = jnp.where(weight > jnp.finfo(dtype).tiny, weight, 1)
    return lambda spectra: _overlap_add(jnp.fft.irfft(spectra, n_fft) * window, samples) / weight


def find_covered(frames: jax.Array, *, n_fft: int, samples: int) -> jax.Array:
    """Returns which samples of a loop lie under any of the frames that are True: (samples,)."""
    covering = jnp.broadcast_to(frames[:, None], (frames.size, n_fft)).astype(jnp.float32)
    return _overlap_add(covering, samples) > 0


def frame(
    sound: jax.Array, n_fft: int, count: int, *, frames: slice | np.ndarray = slice(None)
) -> jax.Array:
    """Cuts a loop (samples,) into frames (frames, n_fft) that wrap around its ends."""
    half = n_fft // 2
    wrapped = jnp.pad(sound, (half, n_fft - half), mode="wrap")
    starts = jnp.asarray(find_centres(sound.size, count)[frames])
    return jax.vmap(lambda start: jax.lax.dynamic_slice(wrapped, (start,), (n_fft,)))(starts)


def _overlap_add(frames, samples):
    """Adds overlapping frames (frames, n_fft) around a loop of so many samples.

    Each sample gathers what the frames around it say. A scatter, which is the transpose of `frame`,
    would add in any order on a GPU, and so not repeat bit for bit.
    """
    count, n_fft = frames.shape
    half, shortest = n_fft // 2, max(1, samples // count)
    centres = find_centres(samples, count)
    positions = jnp.arange(samples)
    last_before = _find_last_centre(positions, centres, samples)

    def gather(shift):
        turns, number = jnp.divmod(last_before + shift, count)
        place = positions - jnp.asarray(centres)[number] - turns * samples + half
        found = frames.ravel()[number * n_fft + jnp.clip(place, 0, n_fft - 1)]
        return jnp.where((place >= 0) & (place < n_fft), found, 0)

    return sum(map(gather, range(-(half // shortest), (half - 1) // shortest + 2)))


def _find_last_centre(positions, centres, samples):
    """Returns the number of the last centre at or before each position."""
    count = centres.size
    guess = (positions * np.float32(count / samples)).astype(positions.dtype)
    guess = jnp.minimum(guess, count - 1)  # It is rounded, and may be one too many or too few.
    ends = jnp.asarray(np.append(centres, samples))
    return guess - 1 + (ends[guess] <= positions) + (ends[guess + 1] <= positions)


def change_length(sound: jax.Array, samples: int) -> jax.Array:
    """Resamples a loop (samples before,) to so many samples, band-limited and periodic."""
    if sound.size == samples:
        return sound
    kept = jnp.fft.rfft(sound)[: samples // 2 + 1]
    return samples / sound.size * jnp.fft.irfft(kept, samples)
