"""Where a dream happens: how much of it each band and each frame takes, from ranges.

Weights lie from 0 to 1. They are above 0 only where all that a cell's gain reaches lies inside of a
range: outside of it, the gain is exactly 0 dB. They rise inside of the range, along half a cosine.
"""

from collections.abc import Sequence

import numpy as np

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.gain import bin_weights, frame_size

FADE_SECONDS = 0.05
"""How long weights rise at the begin of a range of time, and fall at its end."""
FADE_OCTAVES = 1 / 3
"""How far weights rise at the lower end of a range of frequencies, and fall at its upper end."""

Range = tuple[float, float]
"""Where a range begins and ends, in seconds or Hz."""


def weigh_frames(
    ranges: Sequence[Range],
    *,
    front_end: FrontEnd,
    frames: int,
    sample_rate: int,
    seconds: float | None = None,
) -> np.ndarray:
    """Returns how much of a dream each frame takes: (frames,), the most that any range says.

    In a loop, a range has an edge at 0 unless one that reaches the end runs into it.

    Args:
      ranges: in seconds; one that begins at 0 or ends at infinity has no edge there.
      front_end: of the network.
      frames: of the spectrogram.
      sample_rate: of the sound that is given the gain, in Hz.
      seconds: the duration of a loop.

    Example:
      >>> weights = weigh_frames([(0.5, 1.0)], front_end=FrontEnd(), frames=200, sample_rate=44100)
      >>> weights[[50, 80, 120]].tolist()
      [0.0, 1.0, 0.0]
    """
    # The gain is interpolated between two frames, and heard for as long as a window is.
    step = front_end.seconds_per_frame
    reach = step + (frame_size(front_end, sample_rate) / 2 + 1) / sample_rate
    if front_end.circular:
        assert seconds is not None, "a loop has a duration"
        # The loop, before it the loop once more, and behind it once more.
        centres = np.arange(-frames, 2 * frames) * (seconds / frames)
        joined = _join_at_seam(ranges, seconds)
        wrapped = _weigh(centres - reach, centres + reach, joined, FADE_SECONDS)
        return wrapped.reshape(3, frames).max(axis=0)
    centres = np.arange(frames) * step
    begun = [(begin if begin > 0 else -np.inf, end) for begin, end in ranges]
    return _weigh(centres - reach, centres + reach, begun, FADE_SECONDS)


def weigh_bands(ranges: Sequence[Range], *, front_end: FrontEnd, sample_rate: int) -> np.ndarray:
    """Returns how much of a dream each mel band takes: (mel bands,), the most that any range says.

    Args:
      ranges: in Hz; one that begins at 0, or ends at half the sample rate or above, has no edge
        there.
      front_end: of the network.
      sample_rate: of the sound that is given the gain, in Hz.

    Example:
      >>> weights = weigh_bands([(200, 2000)], front_end=FrontEnd(), sample_rate=44100)
      >>> weights[[2, 30, 100]].tolist()
      [0.0, 1.0, 0.0]
    """
    low, high = _find_reach(front_end, sample_rate)
    octaves = [
        (
            np.log2(begin) if begin > 0 else -np.inf,
            np.log2(end) if end < sample_rate / 2 else np.inf,
        )
        for begin, end in ranges
    ]
    return _weigh(np.log2(low), np.log2(high), octaves, FADE_OCTAVES)


def _join_at_seam(ranges, seconds):
    """Returns ranges of a loop, in which those that meet at its seam are one."""
    ranges = [(begin, min(end, seconds)) for begin, end in ranges]
    at_begin = [end for begin, end in ranges if begin <= 0]
    at_end = [begin for begin, end in ranges if end >= seconds]
    if not at_begin or not at_end:
        return ranges
    if max(at_begin) >= min(at_end):
        return [(-np.inf, np.inf)]
    others = [(begin, end) for begin, end in ranges if begin > 0 and end < seconds]
    return [(min(at_end) - seconds, max(at_begin)), *others]


def _weigh(low, high, ranges, fade):
    """Returns the weights of cells that reach from `low` to `high`.

    A range that is shorter than both of its fades still has a weight of 1 in its middle.
    """
    weights = np.zeros(len(low))
    for begin, end in ranges:
        inside = np.clip(np.minimum(low - begin, end - high) / fade, 0, 1)
        rising = 0.5 - 0.5 * np.cos(np.pi * inside)
        weights = np.maximum(weights, rising / (rising.max() or 1))
    return weights


def _find_reach(front_end, sample_rate):
    """Returns the lowest and the highest frequency that the gain of each band reaches, in Hz.

    0 Hz, whose gain is that of the lowest bin above it, is not heard and does not count.
    """
    edges = np.maximum(front_end.bands.edges, 1.0)
    low, high = edges[2:].copy(), edges[:-2].copy()
    for rate in {front_end.sample_rate, sample_rate}:
        bins_hz = np.fft.rfftfreq(frame_size(front_end, rate), 1 / rate)[1:]
        reached = bin_weights(front_end, rate)[1:] > 0
        low = np.minimum(low, np.where(reached, bins_hz[:, None], np.inf).min(axis=0))
        high = np.maximum(high, np.where(reached, bins_hz[:, None], 0).max(axis=0))
    return low, high
