"""Sound files in: what a name on the command line stands for, and reading it.

Paths may be local, gs:// or s3://.
"""

import difflib
import glob
import io
import itertools
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from etils import epath

from dreamsound_jax.system.errors import UserError, reason_of

GENERATED = ("noise", "sine")
READABLE = ["wav", "flac", "ogg", "opus", "mp3", "aiff", "au", "caf"]
# libsndfile cannot decode these; a folder still lists them, so that none is passed over in silence.
_TO_CONVERT = ["m4a", "mp4", "aac", "wma", "webm", "mka", "ape", "wv", "amr", "ac3"]
_MORE = ["aif", "aifc", "oga", "w64", "rf64", "snd"]
_SUFFIXES = {f".{suffix}" for suffix in (*READABLE, *_TO_CONVERT, *_MORE)}
_SILENT = 10 ** (-100 / 20)
_CLOUD = "://"
_CHUNK = 2**20  # frames read at once
_WRONG_SIZE = r"\b(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)"


class Recording(NamedTuple):
    """A sound as its file has it: float32 (samples, channels), and its sample rate in Hz."""

    channels: np.ndarray
    sample_rate: int


def find_inputs(names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The inputs that `names` stand for, and what is wrong with the others.

    Args:
      names: each 'noise', 'sine', a sound file, a folder (its sound files, not those in its
        subfolders) or a pattern with `*`, `?`, `[...]`, and, for local files, `**`. What a folder
        or a pattern gives is sorted, without hidden files; a file named twice is there twice.

    Returns:
      (found, failures): 'noise', 'sine' and paths for `read`; and a (name, message) for each name
      that stands for nothing.
    """
    found, failures = [], []
    for name in names:
        try:
            found += _expand(name)
        except UserError as error:
            failures.append((name, str(error)))
    return found, failures


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


def _expand(name):
    if name in GENERATED:
        return [name]
    # Not str(Path(name)): it would turn './noise', a file, into 'noise'.
    name = os.path.expanduser(name)
    path = epath.Path(name)
    try:
        if name and path.is_dir():
            return _in_folder(name, path)
        if name and path.exists():
            return [name]
        if glob.has_magic(name):
            return _matching(name)
    except UserError:
        raise
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot look for {name!r}: {reason_of(error)}") from error
    raise UserError(_missing(name, path))


def _in_folder(name, folder):
    files = sorted(file.name for file in folder.iterdir() if is_sound(file.name))
    if not files:
        raise UserError(
            f"no sound files in the folder {name!r} (accepted are {', '.join(READABLE)}); "
            f"for those in its subfolders, ask for {os.path.join(name, '**', '*.wav')!r}"
        )
    return [os.path.join(name, file) for file in files]


def _matching(pattern):
    if _CLOUD in pattern:
        fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
        root = "/".join(fixed)
        if "**" in pattern:
            raise UserError(f"{pattern!r}: '**' works for local files only; accepted here is '*'")
        try:
            files = [str(file) for file in epath.Path(root).glob(pattern[len(root) + 1 :])]
        except FileNotFoundError:  # what gcsfs raises, and s3fs does not, if there is no bucket
            files = []
    else:
        files = [file for file in glob.glob(pattern, recursive=True) if not os.path.isdir(file)]
    files = sorted(filter(is_sound, files))
    if not files:
        raise UserError(f"no sound file matches {pattern!r} (accepted: {', '.join(READABLE)})")
    return files


def is_sound(name):
    """Whether a file called `name` is taken for a sound, by its suffix; hidden ones are not."""
    base = os.path.basename(name).lower()
    return not base.startswith(".") and os.path.splitext(base)[1] in _SUFFIXES


def _missing(name, path):
    """Says that nothing is called `name`, and what near it there is."""
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    if "/" not in name:
        siblings += GENERATED
    near = difflib.get_close_matches(path.name, siblings, n=1)
    folder = os.path.dirname(name)
    if near:
        return f"no file {name!r}; did you mean {os.path.join(folder, near[0])!r}?"
    if folder and not path.parent.is_dir():
        return f"no file {name!r}: there is no folder {folder!r}"
    return f"no file {name!r}; accepted are 'noise', 'sine', a sound file, a folder or a pattern"


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
