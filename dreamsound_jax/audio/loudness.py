"""Measures the loudness and the true peak of a sound, and scales it to a loudness that is safe."""

import math
from typing import NamedTuple

import numpy as np

_METER_CHANNELS = 5  # BS.1770 has weights for five channels.
_BLOCK_SECONDS = 0.4  # BS.1770 measures blocks of this length, so no shorter sound.
_ABSOLUTE_GATE_LUFS = -70.0  # BS.1770 leaves out blocks that are quieter than this,
_RELATIVE_GATE_LU = -10.0  # and blocks that are so much quieter than the others.
_LOWEST_STABLE_HZ = 8000  # The meter's filter is unstable at sample rates of a few thousand hertz.
_PIECE = 2**20  # True peaks are found piece by piece, so that hours of sound fit in memory.
_MARGIN = 64  # The interpolation between samples reaches less far than this many samples.
_HEADROOM_DB = 0.05  # Rounding to 16 bit raises the true peak by less than this.


class Loudness(NamedTuple):
    """The integrated loudness in LUFS and the true peak in dBTP; -inf for silence."""

    lufs: float
    true_peak_dbtp: float


def measure_loudness(sound: np.ndarray, *, sample_rate: int) -> Loudness:
    """Measures the integrated loudness (ITU-R BS.1770-4) and the true peak (4 times oversampled).

    Args:
      sound: (samples,) or (samples, channels). Of more than five channels, the first five count
        for the loudness. A sound of less than 0.4 s is measured as if it were repeated.
      sample_rate: in Hz.
    """
    sound = np.asarray(sound, np.float64)
    lufs, _ = _measure_lufs(sound, sample_rate)
    return Loudness(lufs, _measure_true_peak(sound))


def normalise_loudness(
    sound: np.ndarray, *, sample_rate: int, target_lufs: float = -23.0, ceiling_dbtp: float = -1.0
) -> tuple[np.ndarray, Loudness]:
    """Scales a sound to a loudness, or to less where its true peak would pass a ceiling.

    All samples and channels are multiplied by one gain, so nothing is distorted. A sound with few
    high peaks therefore ends quieter than the target. If a sound is too quiet or too low for the
    meter, its true peak is scaled to the target. Silence stays silent. The result keeps its
    loudness to 0.01 dB, and its true peak below the ceiling, when it is rounded to 16 bit.

    Args:
      sound: (samples,) or (samples, channels).
      sample_rate: in Hz.
      target_lufs: the integrated loudness wanted, in LUFS.
      ceiling_dbtp: the true peak that is not passed, in dBTP.

    Returns:
      The scaled sound, float32, and its loudness.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    check_finite(sound)
    sound = np.asarray(sound)
    peak = np.abs(sound).max(initial=0)
    if peak == 0:
        return sound.astype(np.float32), Loudness(-math.inf, -math.inf)
    full = sound / peak
    # In float64, whatever the sound is in, so that the meter's filter stays exact.
    lufs, blocks_lufs = _measure_lufs(full.astype(np.float64), sample_rate)
    true_peak_dbtp = _measure_true_peak(full.astype(np.float64))
    level = lufs if math.isfinite(lufs) else true_peak_dbtp
    gain_db = min(target_lufs - level, ceiling_dbtp - _HEADROOM_DB - true_peak_dbtp)
    scaled = (full * 10 ** (gain_db / 20)).astype(np.float32)
    return scaled, Loudness(_gate_blocks(blocks_lufs + gain_db), true_peak_dbtp + gain_db)


def check_finite(sound: np.ndarray) -> None:
    """Raises ValueError if a sample is NaN or infinite."""
    if not np.isfinite(sound).all():
        raise ValueError("the sound must be finite, but has samples that are NaN or infinite")


def _measure_lufs(sound, sample_rate):
    """Measures the integrated loudness of a sound, and the loudness of each of its blocks."""
    import pyloudnorm

    if not sound.any():
        return -math.inf, np.array([])
    meter_sound, meter_rate = _prepare_for_meter(sound, sample_rate)
    meter = pyloudnorm.Meter(meter_rate, block_size=_BLOCK_SECONDS)
    lufs = meter.integrated_loudness(meter_sound)
    return float(lufs), np.array(meter.blockwise_loudness)


def _prepare_for_meter(sound, sample_rate):
    """Returns a sound, and its sample rate, that the meter can measure."""
    from scipy.signal import resample_poly

    sound = sound if sound.ndim == 1 else sound[:, :_METER_CHANNELS]
    needed = math.ceil(_BLOCK_SECONDS * sample_rate)
    if len(sound) < needed:
        sound = np.resize(sound, (needed, *sound.shape[1:]))
    times = math.ceil(_LOWEST_STABLE_HZ / sample_rate)
    return (resample_poly(sound, times, 1) if times > 1 else sound), times * sample_rate


def _gate_blocks(blocks_lufs):
    """Computes the integrated loudness from that of the blocks (BS.1770-4, equations 5 to 7).

    A gain adds the same number of dB to each block, but not to the integrated loudness: the gain
    may take a block past the absolute gate.
    """
    loud = blocks_lufs[blocks_lufs > _ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return -math.inf
    return _average_levels(loud[loud > _average_levels(loud) + _RELATIVE_GATE_LU])


def _average_levels(levels_db):
    return float(10 * np.log10(np.mean(10 ** (levels_db / 10))))


def _measure_true_peak(sound):
    """Measures the largest absolute value in dB, of the samples and of the wave between them."""
    from scipy.signal import resample_poly

    if not sound.any():
        return -math.inf
    # The padding lets the interpolation ring beyond the ends, as a loudspeaker does.
    padded = np.pad(sound, [(2 * _MARGIN, 2 * _MARGIN), *[(0, 0)] * (sound.ndim - 1)])
    starts = range(0, len(padded) - 2 * _MARGIN, _PIECE)
    pieces = (resample_poly(padded[at : at + _PIECE + 2 * _MARGIN], 4, 1) for at in starts)
    between = max(np.abs(piece[4 * _MARGIN : -4 * _MARGIN]).max() for piece in pieces)
    return 20 * math.log10(max(np.abs(sound).max(), between))
