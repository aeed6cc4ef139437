"""Sounds on the host: noise, a sine, loudness, WAV files out.

A sound is a float32 array (samples,) or (samples, channels), nominally in [-1, 1]. Paths may be
local, gs:// or s3://.
"""

import hashlib
import io
import math
import os
import uuid
from typing import NamedTuple

import numpy as np
import soundfile
from etils import epath

from dreamsound_jax.audio.inputs import Recording
from dreamsound_jax.system.errors import UserError, reason_of

_CLOUD = "://"
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


def noise(key, *, samples: int) -> np.ndarray:
    """Uniform white noise in [-1, 1): float32 (samples,), whatever jax's default precision."""
    import jax

    return np.asarray(jax.random.uniform(key, (samples,), np.float32, -1, 1))


def sine(*, samples: int, frequency: float, sample_rate: int) -> np.ndarray:
    """A sine of `frequency` Hz and amplitude 1, from phase 0: float32 (samples,)."""
    if not 0 < frequency < sample_rate / 2:
        raise UserError(
            f"a sine of {frequency:g} Hz: accepted are frequencies above 0 and under "
            f"{sample_rate / 2:g} Hz, half the sample rate"
        )
    return np.sin(2 * np.pi * frequency / sample_rate * np.arange(samples)).astype(np.float32)


def measure(sound: np.ndarray, *, sample_rate: int) -> Loudness:
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
    lufs, true_peak = measure(sound / peak, sample_rate=sample_rate)
    heard = lufs if math.isfinite(lufs) else true_peak
    gain_db = min(target_lufs - heard, ceiling_dbtp - _HEADROOM - true_peak)
    return (sound / peak * 10 ** (gain_db / 20)).astype(np.float32)


def encode_wav(sound: np.ndarray, *, sample_rate: int, subtype: str = "PCM_16") -> bytes:
    """A WAV file of a sound, in memory. Integer subtypes clip what is beyond [-1, 1].

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    file = io.BytesIO()
    soundfile.write(file, _finite(sound), sample_rate, format="WAV", subtype=subtype)
    return file.getvalue()


def decode(data: bytes) -> Recording:
    """The sound of a file, from its bytes."""
    return Recording(*soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True))


def write_whole(path: str, data: bytes, *, shared: bool = False) -> None:
    """Writes a file that is there whole or not at all, even if the machine stops meanwhile.

    An older file of that name is replaced at the end, in one step. What a writer that was killed
    has left beside it is, too; unless it is `shared`: then others may write it at the same time.

    Raises:
      UserError: the place cannot be written to, or is full.
    """
    try:
        if is_cloud(path):
            _put_object(epath.Path(path), data)
        else:
            _write_then_rename(epath.Path(path), data, f"{uuid.uuid4().hex}." if shared else "")
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot write {os.fspath(path)!r}: {reason_of(error)}") from error


def is_cloud(path) -> bool:
    """Whether a path is of a cloud store, such as gs:// or s3://."""
    return _CLOUD in os.fspath(path)


def _put_object(path, data):
    """An object is there whole or not at all; folders there are none."""
    try:
        path.write_bytes(data)
    except FileNotFoundError:  # said of the store's address, in words of its own
        bucket = os.fspath(path).split(_CLOUD)[1].split("/")[0]
        raise FileNotFoundError(f"there is no bucket {bucket!r}") from None


def _write_then_rename(path, data, own):
    # A name may be as long as names can be; its digest is not.
    digest = hashlib.blake2s(path.name.encode(), digest_size=16).hexdigest()
    beside = path.parent / f".{digest}.{own}part"
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
