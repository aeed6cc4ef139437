"""Finds an offset (DC) in the channels of a sound, constant or changing, and removes it."""

from typing import NamedTuple

import numpy as np

_BLOCK_SECONDS = 0.1
_FEWEST_BLOCKS = 16
_NEGLIGIBLE = 1e-3  # of the peak: 60 dB below it
# The recordings in tests/data have 0.31 at most. One in 1,000 or fewer pieces of white noise of
# 100 samples or more have as much.
_STANDS_OUT = 3.0

# An offset changes if means over half a second, in a tenth of them, leave their median by a tenth
# of the peak. Those of the recordings in tests/data leave it by a thousandth at most.
_DRIFT_SECONDS = 0.5
_DRIFT = 0.1
_DRIFTING_SHARE = 0.1
HIGH_PASS_HZ = 5.0
"""What is lower is removed with an offset that changes."""
_LOWEST_HZ = 10.0  # Nobody hears what is lower,
_NO_SOUND = 1e-6  # nor what has so little of the power.


class Centred(NamedTuple):
    """A sound without an offset.

    Attributes:
      channels: (samples, channels); the sound itself if it had none.
      constant: the largest offset that was constant; 0 if there was none.
      changing: the largest value of an offset that changed; 0 if there was none.
    """

    channels: np.ndarray
    constant: float
    changing: float


def remove_offsets(channels: np.ndarray, *, sample_rate: int) -> Centred:
    """Removes the offset of each channel of a sound: a constant, or what is slower than 5 Hz.

    Args:
      channels: (samples, channels).
      sample_rate: in Hz.

    Example:
      >>> tone = np.sin(np.arange(8000))[:, None]
      >>> found = remove_offsets(tone + 0.3, sample_rate=8000)
      >>> round(found.constant, 2), found.changing, round(float(np.mean(found.channels)), 2)
      (0.3, 0.0, 0.0)
    """
    drift = _find_drift(channels, sample_rate)
    offset = np.where(drift, 0, find_offset(channels, sample_rate=sample_rate))
    if not drift.any() and not offset.any():
        return Centred(channels, 0.0, 0.0)
    centred = channels - offset.astype(channels.dtype)
    for index in np.flatnonzero(drift):
        centred[:, index] = _high_pass(channels[:, index], sample_rate)
    constant, changing = (float(each[np.argmax(np.abs(each))]) for each in (offset, drift))
    return Centred(centred, constant, changing)


def _find_drift(channels, sample_rate):
    """Finds the largest value of an offset that changes, of each channel; 0 where there is none."""
    samples, count = channels.shape
    size = round(_DRIFT_SECONDS * sample_rate)
    if samples < 2 * size:
        return np.zeros(count)
    window = np.hanning(size + 2)[1:-1].astype(channels.dtype)
    starts = range(0, samples - size + 1, size // 2)
    means = np.stack([window @ channels[start : start + size] for start in starts]) / window.sum()
    middle = np.median(means, axis=0)
    peaks = np.array([_find_peak(channels[:, each] - middle[each]) for each in range(count)])
    drifts = (np.abs(means - middle) > _DRIFT * peaks).mean(axis=0) >= _DRIFTING_SHARE
    return np.where(drifts, means[np.argmax(np.abs(means), axis=0), np.arange(count)], 0)


def is_too_slow(channels: np.ndarray, *, sample_rate: int) -> bool:
    """Returns whether a sound has less than a millionth of its power above 10 Hz.

    Example:
      >>> slow = np.sin(2 * np.pi * 3 * np.arange(16000) / 8000)[:, None]
      >>> is_too_slow(slow, sample_rate=8000)
      True
    """
    from scipy import fft

    window = np.hanning(len(channels))
    first = int(np.ceil(_LOWEST_HZ * len(channels) / sample_rate))
    whole = heard = 0.0
    for channel in channels.T:
        powers = np.abs(fft.rfft(window * channel)) ** 2
        whole, heard = whole + powers.sum(), heard + powers[first:].sum()
    return bool(heard < _NO_SOUND * whole)


def _high_pass(channel, sample_rate):
    """Returns a channel without what is slower than 5 Hz; nothing is moved in time."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(2, HIGH_PASS_HZ, "highpass", fs=sample_rate, output="sos")
    around = min(len(channel) - 1, round(_DRIFT_SECONDS * sample_rate))
    return sosfiltfilt(sections, channel.astype(np.float64), padlen=around)


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
