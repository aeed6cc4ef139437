"""Sound files: reading, decoding and encoding them.

Paths may be local, gs:// or s3://.
"""

import io
import os
import re
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from etils import epath

from dreamsound_jax.audio.find import _TO_CONVERT, READABLE, _missing
from dreamsound_jax.audio.loudness import _finite
from dreamsound_jax.system.errors import UserError, reason_of


class Recording(NamedTuple):
    """A sound as its file has it: float32 (samples, channels), and its sample rate in Hz."""

    channels: np.ndarray
    sample_rate: int


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


_SILENT = 10 ** (-100 / 20)


_CHUNK = 2**20  # frames read at once


_WRONG_SIZE = r"\b(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)"


def read(path: str, *, sample_rate: int) -> np.ndarray:
    """Reads a sound file as a peak-normalised mono float32 sound (samples,) at `sample_rate` Hz.

    Channels are averaged.

    Raises:
      UserError: what `record` raises, or the file is silent (under -100 dBFS) or too short.
    """
    return listen(path, record(path), sample_rate=sample_rate)


def record(path: str) -> Recording:
    """Reads a sound file as it is.

    Raises:
      UserError: the file is missing, unreadable, no sound, empty, cut short, or has NaN or infinite
        samples.
    """
    recording = _decode_file(path, _read_bytes(path))
    if not np.isfinite(recording.channels).all():
        raise UserError(f"{path!r} has samples that are NaN or infinite")
    return recording


def listen(path: str, recording: Recording, *, sample_rate: int) -> np.ndarray:
    """The recording of `path` as `read` gives it; UserError if it is silent or too short."""
    sound = to_mono(recording, sample_rate=sample_rate)
    if not sound.size:
        samples, rate = len(recording.channels), recording.sample_rate
        raise UserError(f"{path!r} is too short: {samples} samples at {rate} Hz")
    peak = np.abs(sound).max()
    if peak < _SILENT:
        raise UserError(f"{path!r} is silent: mixed to mono, it stays under -100 dBFS")
    return sound / peak


def to_mono(recording: Recording, *, sample_rate: int) -> np.ndarray:
    """The mean of the channels, float32 (samples,) at `sample_rate` Hz."""
    mono = recording.channels.mean(axis=1, dtype=np.float64).astype(np.float32)
    return soxr.resample(mono, recording.sample_rate, sample_rate, quality="HQ")


def _read_bytes(path):
    place = epath.Path(path)
    try:
        if place.is_dir():
            raise UserError(f"{path!r} is a folder, not a sound file")
        return place.read_bytes()
    except FileNotFoundError:
        raise UserError(_missing(os.fspath(path), place)) from None
    except UserError:
        raise
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot read {path!r}: {reason_of(error)}") from error


def _decode_file(path, data):
    """The bytes of the file at `path` as a `Recording`."""
    if not data:
        raise UserError(f"{path!r} is empty: it has 0 bytes")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            samples = _all_samples(file)
            short = _is_cut_short(file, len(samples), data)
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise UserError(_undecodable(path, error)) from None
    if short:
        raise UserError(f"{path!r} is cut short: it ends before the length that it announces")
    if not len(samples):
        raise UserError(f"{path!r} has no samples")
    return Recording(samples, rate)


def _all_samples(file):
    """Reads straight on to the end, float32 (samples, channels).

    Soundfile seeks after each read of what it takes for seekable; libsndfile then fails at the end
    of a FLAC stream of unknown length, and jumps in an MP3 of variable bit rate.
    """
    file.seekable = lambda: False
    parts = [file.read(_CHUNK, dtype="float32", always_2d=True)]
    while len(parts[-1]) == _CHUNK:
        parts.append(file.read(_CHUNK, dtype="float32", always_2d=True))
    return np.concatenate(parts)


def _is_cut_short(file, samples, data):
    """Whether a file announces more than it holds. libsndfile reads such files without an error."""
    if file.format == "OGG":
        return not _has_ogg_end(data)
    # An MP3's length may be a guess from its bit rate, tags counted in; FLAC's 2**63 is "unknown".
    tolerance = max(2304, file.frames // 100) if file.format == "MP3" else 0
    if samples + tolerance < file.frames < 2**62:
        return True
    # libsndfile mends a wrong chunk size and notes it. Programs that write to a pipe do not know
    # the size and put the largest there is.
    noted = re.findall(_WRONG_SIZE, file.extra_info)
    return any(int(actual) < int(claimed) < 0x7FFF0000 for claimed, actual in noted)


def _has_ogg_end(data):
    """Whether the last Ogg page is whole and marked as the last (RFC 3533, section 6)."""
    page = data[data.rfind(b"OggS") :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return bool(sizes) and bool(page[5] & 4) and len(page) >= 27 + len(sizes) + sum(sizes)


def _undecodable(path, error):
    suffix = os.path.splitext(path)[1].lower().lstrip(".")
    if suffix in _TO_CONVERT:
        return f"{path!r}: {suffix} cannot be decoded; convert it to wav or flac, e.g. with ffmpeg"
    if error.code == 1:  # SF_ERR_UNRECOGNISED_FORMAT
        return f"{path!r} is no sound file in a known format: {', '.join(READABLE)}"
    return f"{path!r} is damaged, cut short, or in an encoding that cannot be decoded"
