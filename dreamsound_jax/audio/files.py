"""Reads sound files, and mixes, resamples and scales what the network is to hear.

Paths may be local, gs:// or s3://.
"""

import logging
import os

import numpy as np
import soxr

from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.audio.find import describe_missing
from dreamsound_jax.audio.recording import Origin, Recording, UndecodableError
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import path_of

# Products of the powers of louder sounds would overflow in float32.
_LOUDEST = 2.0**24
_SILENT_PEAK = 10 ** (-100 / 20)  # -100 dBFS

log = logging.getLogger(__name__)


def read_sound(path: str, *, sample_rate: int) -> np.ndarray:
    """Reads a sound file as a mono sound with a peak of 1, float32 (samples,) at `sample_rate` Hz.

    Raises:
      UserError: for the reasons of `read_recording` and `normalise_recording`.
    """
    return normalise_recording(path, read_recording(path), sample_rate=sample_rate)


def read_recording(path: str) -> Recording:
    """Reads a sound or video file with its own channels and sample rate; see `read_original`."""
    return read_original(path)[0]


def read_original(path: str) -> tuple[Recording, Origin]:
    """Reads a sound or video file, and how it is stored.

    A file that is cut short or damaged is read as far as it can be, and a warning says so.

    Raises:
      UserError: the file is missing, unreadable, not a sound file or empty, or has samples that
        are NaN or infinite.
    """
    decoded = _decode_file(path, _read_bytes(path))
    return _check_samples(path, decoded.recording), decoded.origin


def _check_samples(path, recording):
    if not np.isfinite(recording.channels).all():
        raise UserError(f"{path!r} must be finite, but has samples that are NaN or infinite")
    peak = np.abs(recording.channels).max()
    if peak > _LOUDEST:
        # By a power of two, which changes no digit of a sample.
        _, exponent = np.frexp(peak)
        log.warning(
            "%r has a peak of %.3g, and is read %.3g times as quiet", path, peak, 2.0**exponent
        )
        recording = recording._replace(channels=np.ldexp(recording.channels, -exponent))
    return recording


def normalise_recording(
    path: str, recording: Recording, *, sample_rate: int, circular: bool = False
) -> np.ndarray:
    """Mixes a recording to mono, resamples it and scales it to a peak of 1.

    Args:
      path: the name of the recording in messages.
      recording: the recording.
      sample_rate: of the result, in Hz.
      circular: whether the recording is a loop, whose end runs into its beginning.

    Returns:
      float32 (samples,).

    Raises:
      UserError: the recording is silent (its peak is under -100 dBFS), or too short to resample.
    """
    mix = to_mono_loop if circular else to_mono
    sound = mix(recording, sample_rate=sample_rate)
    if not sound.size:
        samples, rate = len(recording.channels), recording.sample_rate
        raise UserError(f"{path!r} is too short: it has {samples} samples at {rate} Hz")
    peak = np.abs(sound).max()
    if peak < _SILENT_PEAK:
        raise UserError(f"{path!r} is silent: mixed to mono, its peak is under -100 dBFS")
    return sound / peak


def to_mono(recording: Recording, *, sample_rate: int) -> np.ndarray:
    """Averages the channels of a recording and resamples it: float32 (samples,)."""
    mono = recording.channels.mean(axis=1, dtype=np.float64).astype(np.float32)
    return soxr.resample(mono, recording.sample_rate, sample_rate, quality="HQ")


def to_mono_loop(recording: Recording, *, sample_rate: int) -> np.ndarray:
    """As `to_mono`, but the recording is a loop, and the result is one, too."""
    from scipy.signal import resample

    mono = recording.channels.mean(axis=1, dtype=np.float64)
    samples = round(len(mono) * sample_rate / recording.sample_rate)
    same = samples in (0, len(mono))
    return (mono[:samples] if same else resample(mono, samples)).astype(np.float32)


def _read_bytes(path):
    place = path_of(path)
    try:
        if place.is_dir():
            raise UserError(f"{path!r} must be a sound file, but is a folder")
        return place.read_bytes()
    except FileNotFoundError:
        raise UserError(describe_missing(os.fspath(path), place)) from None
    except UserError:
        raise
    except Exception as error:  # Each cloud client has its own family of errors.
        raise UserError(f"cannot read {path!r}: {reason_of(error)}") from error


def _decode_file(path, data):
    """Decodes the content of the file at `path`; says so if only a part of it can be read."""
    if not data:
        raise UserError(f"{path!r} is empty: it has 0 bytes")
    try:
        decoded = decode(data)
    except UndecodableError as error:
        raise UserError(f"{path!r} {error}") from None
    if not decoded.is_whole:
        log.warning("%r is cut short or damaged: %s", path, _describe_rest(decoded))
    return decoded


def _describe_rest(decoded):
    of = decoded.announced_seconds
    if of is None or of <= decoded.seconds:
        return f"the {decoded.seconds:.2f} s that can be read are used"
    return f"{decoded.seconds:.2f} s of {of:.2f} s can be read, and are used"
