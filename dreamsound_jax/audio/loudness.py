"""Loudness and true peak of a sound, and a gain that makes it safe to listen to."""

import math
from typing import NamedTuple

import numpy as np

_CHANNELS = 5  # that BS.1770 can measure
_STABLE = 8000  # Hz: at a few thousand, the meter's filter is not
_BLOCK = 0.4  # seconds: the shortest sound that BS.1770 can measure
_PIECE = 2**20  # samples oversampled at once, for hours of sound to fit in memory
_RIM = 64  # samples: further than the interpolation reaches
_HEADROOM = 0.05  # dB: rounding to 16 bit moves a true peak by less


class Loudness(NamedTuple):
    """How loud a sound is: integrated loudness in LUFS and true peak in dBTP; -inf for silence."""

    lufs: float
    true_peak_dbtp: float


def measure_loudness(sound: np.ndarray, *, sample_rate: int) -> Loudness:
    """Integrated loudness (ITU-R BS.1770-4) and true peak (4 times oversampled) of a sound.

    BS.1770 knows five channels, so of more the first five count for loudness. It needs 0.4 s: a
    shorter sound is measured as if it were repeated for that long.
    """
    import pyloudnorm
    from scipy.signal import resample_poly

    sound = np.asarray(sound, np.float64)
    if not sound.any():
        return Loudness(-math.inf, -math.inf)
    measured = sound if sound.ndim == 1 else sound[:, :_CHANNELS]
    needed = math.ceil(_BLOCK * sample_rate)
    if len(sound) < needed:
        measured = np.resize(measured, (needed, *measured.shape[1:]))
    times = math.ceil(_STABLE / sample_rate)
    measured = resample_poly(measured, times, 1) if times > 1 else measured
    meter = pyloudnorm.Meter(times * sample_rate, block_size=_BLOCK)
    lufs = meter.integrated_loudness(measured)
    return Loudness(float(lufs), 20 * math.log10(_true_peak(sound)))


def make_safe(
    sound: np.ndarray, *, sample_rate: int, target_lufs: float = -23.0, ceiling_dbtp: float = -1.0
) -> np.ndarray:
    """Scales a sound to the target loudness, or lower: the true peak stays under the ceiling.

    One gain for all samples and channels, so nothing is distorted; a sound of few, high peaks
    therefore ends quieter than the target. A sound too low for the meter to hear gets its peak at
    the target, and silence stays silent. Encoding the float32 result to 16 bit keeps both promises.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    sound = _finite(sound)
    peak = np.abs(sound).max(initial=0)
    if peak == 0:
        return sound.astype(np.float32)
    lufs, true_peak = measure_loudness(sound / peak, sample_rate=sample_rate)
    heard = lufs if math.isfinite(lufs) else true_peak
    gain_db = min(target_lufs - heard, ceiling_dbtp - _HEADROOM - true_peak)
    return (sound / peak * 10 ** (gain_db / 20)).astype(np.float32)


def _finite(sound):
    sound = np.asarray(sound)
    if not np.isfinite(sound).all():
        raise ValueError("the sound has samples that are NaN or infinite")
    return sound


def _true_peak(sound):
    from scipy.signal import resample_poly

    # The padding lets the interpolation ring beyond the ends, as a loudspeaker does.
    padded = np.pad(sound, [(2 * _RIM, 2 * _RIM), *[(0, 0)] * (sound.ndim - 1)])
    starts = range(0, len(padded) - 2 * _RIM, _PIECE)
    pieces = (resample_poly(padded[at : at + _PIECE + 2 * _RIM], 4, 1) for at in starts)
    between = max(np.abs(piece[4 * _RIM : -4 * _RIM]).max() for piece in pieces)
    return max(np.abs(sound).max(), between)
