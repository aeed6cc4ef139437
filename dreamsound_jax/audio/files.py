"""Reads and encodes sound files, and mixes, resamples and scales what the network is to hear.

Paths may be local, gs:// or s3://.
"""

import io
import logging
import os
import re
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from dreamsound_jax.audio.find import READABLE, UNREADABLE, describe_missing
from dreamsound_jax.audio.loudness import check_finite
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import path_of

# Products of the powers of louder sounds would overflow in float32.
_LOUDEST = 2.0**24
_SILENT_PEAK = 10 ** (-100 / 20)  # -100 dBFS
_CHUNK_FRAMES = 2**20  # A file is decoded in chunks of this many frames.

# Of files with a chunk size that is too large, libsndfile logs the size and what it should be.
_LOGGED_SIZES = re.compile(r"\b(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)")
# Programs that write to a pipe do not know the sizes of chunks, and put the largest there is.
_UNKNOWN_SIZE = 0x7FFF0000
_UNKNOWN_FRAMES = 2**62  # The number of frames of a FLAC stream of unknown length is larger.
_UNRECOGNISED_FORMAT = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT


log = logging.getLogger(__name__)


class Recording(NamedTuple):
    """A sound as it is in its file: float32 (samples, channels), and its sample rate in Hz."""

    channels: np.ndarray
    sample_rate: int


def read_sound(path: str, *, sample_rate: int) -> np.ndarray:
    """Reads a sound file as a mono sound with a peak of 1, float32 (samples,) at `sample_rate` Hz.

    Raises:
      UserError: for the reasons of `read_recording` and `normalise_recording`.
    """
    return normalise_recording(path, read_recording(path), sample_rate=sample_rate)


def read_recording(path: str) -> Recording:
    """Reads a sound file with its own channels and sample rate.

    Raises:
      UserError: the file is missing, unreadable, not a sound file, empty or cut short, or has
        samples that are NaN or infinite.
    """
    recording = _decode_file(path, _read_bytes(path))
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


def encode_wav(sound: np.ndarray, *, sample_rate: int, subtype: str = "PCM_16") -> bytes:
    """Encodes a sound as a WAV file.

    Args:
      sound: (samples,) or (samples, channels). Integer subtypes clip it to [-1, 1].
      sample_rate: in Hz.
      subtype: libsndfile's name of the encoding of samples, such as "PCM_16" or "FLOAT".

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    check_finite(sound)
    file = io.BytesIO()
    soundfile.write(file, np.asarray(sound), sample_rate, format="WAV", subtype=subtype)
    return file.getvalue()


def decode_sound(data: bytes) -> Recording:
    """Decodes a sound file that this program encoded itself, and that is therefore whole."""
    return Recording(*soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True))


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
    """Decodes the content of the file at `path`; raises UserError if it is damaged."""
    if not data:
        raise UserError(f"{path!r} is empty: it has 0 bytes")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            samples = _read_all_samples(file)
            cut_short = _is_cut_short(file, len(samples), data)
            sample_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise UserError(_describe_undecodable(path, error)) from None
    if cut_short:
        raise UserError(f"{path!r} is cut short: it ends before the length that it announces")
    if not len(samples):
        raise UserError(f"{path!r} has no samples")
    return Recording(samples, sample_rate)


def _read_all_samples(file):
    """Reads a file from its beginning to its end, float32 (samples, channels).

    Soundfile seeks after each read if it takes the file for seekable. libsndfile then fails at the
    end of a FLAC stream of unknown length, and jumps in an MP3 of variable bit rate.
    """
    file.seekable = lambda: False
    chunks = [file.read(_CHUNK_FRAMES, dtype="float32", always_2d=True)]
    while len(chunks[-1]) == _CHUNK_FRAMES:
        chunks.append(file.read(_CHUNK_FRAMES, dtype="float32", always_2d=True))
    return np.concatenate(chunks)


def _is_cut_short(file, samples, data):
    """Returns whether a file announces more than it holds; libsndfile reads it without an error."""
    if file.format == "OGG":
        return not _has_last_ogg_page(data)
    # The length of an MP3 may be a guess from its bit rate, with tags counted in.
    tolerance = max(2304, file.frames // 100) if file.format == "MP3" else 0
    if samples + tolerance < file.frames < _UNKNOWN_FRAMES:
        return True
    sizes = _LOGGED_SIZES.findall(file.extra_info)
    return any(int(actual) < int(claimed) < _UNKNOWN_SIZE for claimed, actual in sizes)


def _has_last_ogg_page(data):
    """Returns whether the last Ogg page is whole and marked as the last (RFC 3533, section 6)."""
    page = data[data.rfind(b"OggS") :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return bool(sizes) and bool(page[5] & 4) and len(page) >= 27 + len(sizes) + sum(sizes)


def _describe_undecodable(path, error):
    suffix = os.path.splitext(path)[1].lower().lstrip(".")
    if suffix in UNREADABLE:
        return f"{path!r}: {suffix} cannot be decoded; convert it to wav or flac, e.g. with ffmpeg"
    if error.code == _UNRECOGNISED_FORMAT:
        return f"{path!r} must be a sound file in a known format: {', '.join(READABLE)}"
    return f"{path!r} is damaged, cut short, or in an encoding that cannot be decoded"
