"""Measures the loudness and the true peak of a sound, and brings it to a loudness."""

import functools
import math
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.channels import weigh_channels
from dreamsound_jax.audio.limiter import limit_peaks
from dreamsound_jax.audio.true_peak import measure_peaks

SAFE_LUFS = -23.0  # The loudness of EBU R 128.

_BLOCK_SECONDS = 0.4  # BS.1770 measures blocks of this length, so no shorter sound.
_ABSOLUTE_GATE_LUFS = -70.0  # BS.1770 leaves out blocks that are quieter than this,
_RELATIVE_GATE_LU = -10.0  # and blocks that are so much quieter than the others.
_LOWEST_STABLE_HZ = 8000  # The meter's filter is unstable at sample rates of a few thousand hertz.
_HEADROOM_DB = 0.05  # Rounding to 16 bit raises the true peak by less than this.
_MOST_LIMITING_DB = 12.0  # A judgement; whether more would be heard was not measured.
_TOLERANCE_LU = 0.1  # The search for the gain of a limited sound ends here.
# The limiter's gain has returned to within 1e-9 so long after a peak, and follows no earlier one.
_LIMITER_REACHES_SECONDS = 0.5
_MOST_TRIALS = 8  # Three are usual.
_LEAST_SLOPE = 0.2


class Loudness(NamedTuple):
    """The integrated loudness in LUFS and the true peak in dBTP; -inf for silence."""

    lufs: float
    true_peak_dbtp: float


def measure_loudness(sound: np.ndarray, *, sample_rate: int, layout: str | None = None) -> Loudness:
    """Measures the integrated loudness (ITU-R BS.1770-4) and the true peak (4 times oversampled).

    Args:
      sound: (samples,) or (samples, channels). Low-frequency effects do not count for the
        loudness, but for the true peak. A sound of less than 0.4 s is measured as if it were
        repeated.
      sample_rate: in Hz.
      layout: of more than two channels, as `channels.weigh_channels` takes it.
    """
    lufs = measure_lufs(sound, sample_rate=sample_rate, layout=layout)
    return Loudness(lufs, _to_db(measure_peaks(np.asarray(sound)).max()))


def measure_lufs(sound: np.ndarray, *, sample_rate: int, layout: str | None = None) -> float:
    """Measures the integrated loudness in LUFS; see `measure_loudness`."""
    return _gate_blocks(_measure_blocks(np.asarray(sound), sample_rate, layout))


def normalise_loudness(
    sound: np.ndarray,
    *,
    sample_rate: int,
    target_lufs: float = SAFE_LUFS,
    ceiling_dbtp: float = -1.0,
    circular: bool = False,
    layout: str | None = None,
) -> tuple[np.ndarray, Loudness]:
    """Scales a sound to a loudness, and limits its true peaks where they would pass a ceiling.

    If no peak would, all samples and channels are multiplied by one gain. Otherwise the peaks are
    limited, by `limit_peaks`, by no more than 12 dB: a sound that would need more, such as a single
    click, ends quieter than the target. If a sound is too quiet or too low for the meter, its true
    peak is scaled to the target, and not limited. Silence stays silent. The result keeps its
    loudness to 0.01 dB, and its true peak below the ceiling, when it is rounded to 16 bit.

    Args:
      sound: (samples,) or (samples, channels).
      sample_rate: in Hz.
      target_lufs: the integrated loudness wanted, in LUFS.
      ceiling_dbtp: the true peak that is not passed, in dBTP.
      circular: whether the sound is a loop: its peaks are limited as if it were repeated.
      layout: as in `measure_loudness`.

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
    full, ceiling_dbtp = sound / peak, ceiling_dbtp - _HEADROOM_DB
    around = _count_around(len(full), sample_rate) if circular else 0
    wrapped = _wrap(full, around)
    blocks_lufs, peaks = _measure_blocks(full, sample_rate, layout), measure_peaks(wrapped)
    lufs, true_peak_dbtp = _gate_blocks(blocks_lufs), _to_db(peaks.max())
    if math.isfinite(lufs) and target_lufs - lufs + true_peak_dbtp > ceiling_dbtp:
        measure = functools.partial(measure_lufs, sample_rate=sample_rate, layout=layout)
        return _limit_to_target(
            wrapped, peaks, lufs, sample_rate, target_lufs, ceiling_dbtp, measure, around=around
        )
    level = lufs if math.isfinite(lufs) else true_peak_dbtp
    gain_db = min(target_lufs - level, ceiling_dbtp - true_peak_dbtp)
    scaled = (full * 10 ** (gain_db / 20)).astype(np.float32)
    return scaled, Loudness(_gate_blocks(blocks_lufs + gain_db), true_peak_dbtp + gain_db)


def _count_around(samples, sample_rate):
    """Returns how many samples of a loop are put before and behind it for the limiter."""
    return min(samples, round(_LIMITER_REACHES_SECONDS * sample_rate))


def _wrap(sound, around):
    """Returns a loop with so many samples of its end before it, and of its beginning behind."""
    return (
        np.concatenate([sound[len(sound) - around :], sound, sound[:around]]) if around else sound
    )


def _limit_to_target(
    wrapped, peaks, lufs, sample_rate, target_lufs, ceiling_dbtp, measure, *, around
):
    """Finds the gain at which a sound, limited, has a loudness; returns as `normalise_loudness`.

    Before and behind the sound, `wrapped` has so many samples that are not part of the result.

    The secant method begins between the gain that just needs no limiting, and the one that would do
    if limiting took no loudness away.
    """
    last_gain_db = ceiling_dbtp - _to_db(peaks.max())
    last_lufs, most_db = lufs + last_gain_db, last_gain_db + _MOST_LIMITING_DB
    gain_db = min(target_lufs - lufs, most_db)
    for _ in range(_MOST_TRIALS):
        limited = limit_peaks(
            wrapped,
            peaks,
            factor=10 ** (gain_db / 20),
            ceiling=10 ** (ceiling_dbtp / 20),
            sample_rate=sample_rate,
        )
        limited = limited[around : len(limited) - around]
        lufs = measure(limited)
        missing = target_lufs - lufs
        if abs(missing) < _TOLERANCE_LU or (missing > 0 and gain_db == most_db):
            break
        slope = (lufs - last_lufs) / (gain_db - last_gain_db)
        last_gain_db, last_lufs = gain_db, lufs
        gain_db = min(gain_db + missing / min(max(slope, _LEAST_SLOPE), 1), most_db)
    return _lower_to_ceiling(limited, lufs, ceiling_dbtp, around)


def _lower_to_ceiling(limited, lufs, ceiling_dbtp, around):
    """Scales a limited sound down if a true peak still passes the ceiling.

    The limiter's gain changes from sample to sample, which may raise the wave between them.
    """
    true_peak_dbtp = _to_db(measure_peaks(_wrap(limited, around)).max())
    excess_db = max(0.0, true_peak_dbtp - ceiling_dbtp)
    limited *= 10 ** (-excess_db / 20)
    return limited, Loudness(lufs - excess_db, true_peak_dbtp - excess_db)


def match_loudness(sound: np.ndarray, reference: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Scales a sound to the loudness of another; where one is too quiet for the meter, to its RMS.

    Args:
      sound, reference: (samples,) or (samples, channels).
      sample_rate: of both, in Hz.
    """
    lufs, wanted = (measure_lufs(each, sample_rate=sample_rate) for each in (sound, reference))
    if math.isfinite(lufs) and math.isfinite(wanted):
        return sound * 10 ** ((wanted - lufs) / 20)
    power, wanted = (np.mean(np.square(each, dtype=np.float64)) for each in (sound, reference))
    return sound * np.sqrt(wanted / power) if power else sound


def check_finite(sound: np.ndarray) -> None:
    """Raises ValueError if a sample is NaN or infinite."""
    if not np.isfinite(sound).all():
        raise ValueError("the sound must be finite, but has samples that are NaN or infinite")


def _measure_blocks(sound, sample_rate, layout):
    """Measures the loudness of each block of a sound in LUFS; one channel at a time, for speed."""
    import pyloudnorm

    channels = sound.T if sound.ndim > 1 else sound[None]
    power = np.zeros(1)
    for channel, weight in zip(channels, weigh_channels(len(channels), layout)):
        if not weight:
            continue
        meter_sound, meter_rate = _prepare_for_meter(channel, sample_rate)
        meter = pyloudnorm.Meter(meter_rate, block_size=_BLOCK_SECONDS)
        meter.integrated_loudness(meter_sound)
        power = power + weight * 10 ** (np.array(meter.blockwise_loudness) / 10)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def _prepare_for_meter(channel, sample_rate):
    """Returns a channel, and its sample rate, that the meter can measure."""
    from scipy.signal import resample_poly

    # In float64, whatever the sound is in, so that the meter's filter stays exact.
    channel = np.ascontiguousarray(channel, np.float64)
    channel = np.resize(channel, max(len(channel), math.ceil(_BLOCK_SECONDS * sample_rate)))
    times = math.ceil(_LOWEST_STABLE_HZ / sample_rate)
    return (resample_poly(channel, times, 1) if times > 1 else channel), times * sample_rate


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


def _to_db(amplitude):
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
