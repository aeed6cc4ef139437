"""Finds a constant offset (DC) in the channels of a sound, and removes it."""

import numpy as np

_BLOCK_SECONDS = 0.1
_FEWEST_BLOCKS = 16
_NEGLIGIBLE = 1e-3  # of the peak: 60 dB below it
# The recordings in tests/data have 0.31 at most. One in 1,000 or fewer pieces of white noise of
# 100 samples or more have as much.
_STANDS_OUT = 3.0


def find_offset(channels: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Finds the offset of each channel of a sound: 0 where there is none to speak of.

    It is the median of the weighted means of blocks of 0.1 s, or a sixteenth of a short sound. It
    counts if it is more than a thousandth of the sound's peak without it, and more than three times
    as large as the means differ from it, in the median: those of music and of noise sway around 0,
    and a click in silence has none. A sound of fewer than 16 samples has no offset.

    Args:
      channels: (samples, channels).
      sample_rate: in Hz.

    Returns:
      (channels,), float64.

    Example:
      >>> tone = np.sin(np.arange(8000))[:, None]
      >>> find_offset(np.hstack([tone, tone + 0.3]), sample_rate=8000).round(2).tolist()
      [0.0, 0.3]
    """
    samples, count = channels.shape
    if samples < _FEWEST_BLOCKS:
        return np.zeros(count)
    size = max(1, min(round(_BLOCK_SECONDS * sample_rate), samples // _FEWEST_BLOCKS))
    whole = channels[: samples // size * size].reshape(-1, size, count)
    # A window lets waves that do not fit into a block, too, cancel in its mean.
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    means = np.einsum("s,bsc->bc", window / window.sum(), whole)
    offset = np.median(means, axis=0)
    sway = np.median(np.abs(means - offset), axis=0)
    for index in range(count):
        stands_out = np.abs(offset[index]) > _STANDS_OUT * sway[index]
        if not stands_out or np.abs(offset[index]) <= _NEGLIGIBLE * _find_peak(
            channels[:, index] - offset[index]
        ):
            offset[index] = 0
    return offset


def _find_peak(sound):
    return max(sound.max(), -sound.min())
