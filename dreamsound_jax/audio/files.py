"""Reads sound files, and mixes, resamples and scales what the network is to hear.

Paths may be local, gs:// or s3://.
"""

import errno
import logging
import os

import numpy as np
import soxr

from dreamsound_jax.audio.cancelling import find_heard, find_heard_channel
from dreamsound_jax.audio.channels import mix_to_mono
from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.audio.find import describe_missing
from dreamsound_jax.audio.heard import measure_heard_db
from dreamsound_jax.audio.incomplete import report_decoded
from dreamsound_jax.audio.level import SILENT_PEAK, check_level
from dreamsound_jax.audio.offset import HIGH_PASS_HZ, is_too_slow, remove_offsets
from dreamsound_jax.audio.recording import Origin, Recording, UndecodableError
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import path_of, read_file

# Products of the powers of louder sounds would overflow in float32.
_LOUDEST = 2.0**24
_NEGLIGIBLE_LOSS = 0.02
_NEXT_TO_NOTHING_DB = -30  # A thousandth of the energy.

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


def remove_offset(path: str, recording: Recording) -> Recording:
    """Returns a recording without the offset (DC) of its channels, and says so.

    One without an offset, as `offset.remove_offsets` finds it, comes back as it is.

    Args:
      path: the name of the recording in messages.
      recording: the recording.

    Raises:
      UserError: the recording is silent (its peak is under -100 dBFS), or holds nothing but a
        constant, a step, a ramp or another offset that changes: next to nothing above 10 Hz.
    """
    check_level(path, recording.channels)
    channels, constant, changing = remove_offsets(
        recording.channels, sample_rate=recording.sample_rate
    )
    if constant:
        log.warning("%r has a constant offset (DC) of %.3g, which is removed", path, constant)
    if changing:
        if is_too_slow(recording.channels, sample_rate=recording.sample_rate):
            raise UserError(
                f"{path!r} is silent: it holds an offset (DC) that changes, and no sound"
            )
        log.warning(
            "%r has an offset (DC) that changes, up to %.3g: what is slower than %g Hz is removed",
            *(path, changing, HIGH_PASS_HZ),
        )
    return recording._replace(channels=channels) if constant or changing else recording


def normalise_recording(
    path: str,
    recording: Recording,
    *,
    sample_rate: int,
    circular: bool = False,
    band: tuple[float, float] | None = None,
) -> np.ndarray:
    """Removes the offset of a recording, and returns what `hear_recording` does of it."""
    recording = remove_offset(path, recording)
    sound, _ = hear_recording(
        path, recording, sample_rate=sample_rate, circular=circular, band=band
    )
    return sound


def hear_recording(
    path: str,
    recording: Recording,
    *,
    sample_rate: int,
    circular: bool = False,
    band: tuple[float, float] | None = None,
) -> tuple[np.ndarray, int | None]:
    """Mixes a recording without an offset to mono, resamples it, and scales it to a peak of 1.

    The mix is the mean of all channels or, where they cancel in it, the loudest one; a line says
    so. Another one says that the network hears next to nothing of the sound, if that is so.

    Args:
      path: the name of the recording in messages.
      recording: the recording.
      sample_rate: of the result, in Hz.
      circular: whether the recording is a loop, whose end runs into its beginning.
      band: the lowest and the highest frequency that the network hears, in Hz; by default all up
        to half of `sample_rate`.

    Returns:
      (sound, the index of the only channel that is heard): float32 (samples,), and None for the
      mean of all channels.

    Raises:
      UserError: what the network hears of the recording is silent (its peak is under -100 dBFS),
        or it is too short to resample.
    """
    heard, lost = find_heard(recording.channels, sample_rate=recording.sample_rate)
    _report_cancelled(path, heard, lost, recording.channels.shape[1])
    mono = mix_to_mono(recording.channels, heard)
    resample = _resample_loop if circular else _resample
    sound = resample(mono, recording.sample_rate, sample_rate)
    if not sound.size:
        samples, rate = len(recording.channels), recording.sample_rate
        raise UserError(f"{path!r} is too short: it has {samples} samples at {rate} Hz")
    _check_heard(path, mono, sound, sample_rate, band or (0, sample_rate / 2))
    return sound / np.abs(sound).max(), heard


def _report_cancelled(path, heard, lost, count):
    if heard is not None:
        log.warning(
            "%r: its channels cancel each other in their mean, so the network hears channel %d of "
            "%d, the loudest",
            *(path, heard + 1, count),
        )
    elif lost > _NEGLIGIBLE_LOSS:
        log.warning(
            "%r: its channels cancel each other in their mean, which the network hears: %.0f %% of "
            "the time, of the energy or of an octave are lost to it; to have one channel heard, "
            "give it alone: ffmpeg -i FILE -af 'pan=mono|c0=c0' NEW_FILE.wav takes the first",
            *(path, 100 * lost),
        )


def _check_heard(path, mono, sound, sample_rate, band):
    """Says if a network hears next to nothing of a recording; raises UserError if it is nothing."""
    lowest, highest = band
    where = f"{lowest:g} to {highest:g} Hz"
    if np.abs(sound).max() < SILENT_PEAK:
        raise UserError(
            f"{path!r} has no sound that the network hears, at {where}: what is left there has a "
            "peak under -100 dBFS"
        )
    heard_db = measure_heard_db(mono, sound, sample_rate=sample_rate, band=band)
    if heard_db < _NEXT_TO_NOTHING_DB:
        log.warning(
            "%r lies outside of %s, which the network hears: what is left there is %.0f dB "
            "quieter, and the dream follows that alone",
            *(path, where, -heard_db),
        )


def to_mono(recording: Recording, *, sample_rate: int) -> np.ndarray:
    """Mixes a recording as `normalise_recording` does, and resamples it: float32 (samples,)."""
    channels, rate = recording
    mono = mix_to_mono(channels, find_heard_channel(channels, sample_rate=rate))
    return _resample(mono, rate, sample_rate)


def _resample(mono, rate, sample_rate):
    return soxr.resample(mono.astype(np.float32), rate, sample_rate, quality="HQ")


def _resample_loop(mono, rate, sample_rate):
    """Resamples a loop, whose end runs into its beginning, to a loop: float32 (samples,)."""
    from scipy.signal import resample

    samples = round(len(mono) * sample_rate / rate)
    same = samples in (0, len(mono))
    return (mono[:samples] if same else resample(mono, samples)).astype(np.float32)


def _read_bytes(path):
    place = path_of(path)
    try:
        if place.is_dir():
            raise UserError(f"{path!r} must be a sound file, but is a folder")
        return read_file(place)
    except FileNotFoundError:
        raise UserError(describe_missing(os.fspath(path), place)) from None
    except UserError:
        raise
    except Exception as error:  # Each cloud client has its own family of errors.
        if getattr(error, "errno", None) == errno.ELOOP:
            raise UserError(describe_missing(os.fspath(path), place)) from None
        raise UserError(f"cannot read {path!r}: {reason_of(error)}") from error


def _decode_file(path, data):
    """Decodes the content of the file at `path`; says so if only a part of it is used."""
    if not data:
        raise UserError(f"{path!r} is empty: it has 0 bytes")
    try:
        decoded = decode(data)
    except UndecodableError as error:
        raise UserError(f"{path!r} {error}") from None
    report_decoded(path, decoded)
    return decoded
