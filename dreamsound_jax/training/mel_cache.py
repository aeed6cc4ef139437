"""Caches the mel spectrograms of a data set on the disk, so that each sound is analysed once.

Each sound has its own file, which is written completely or not at all. A run that was killed
therefore continues where it stopped, and several runs may use the cache at the same time.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import logging
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import StorageError, UserError, describe_error, reason_of
from dreamsound_jax.system.storage import write_whole
from dreamsound_jax.training.analysis import DTYPE, compute_mel_db, cut_into_pieces
from dreamsound_jax.training.datasets.dataset import Dataset

log = logging.getLogger(__name__)

VERSION = 3  # Raise this when the analysis or the format changes, so that old files are not used.


@dataclass(frozen=True)
class CachedSpectrogram:
    """A spectrogram on the disk. `np.asarray` reads it: (mel bands, frames) float16 in dB.

    A file holds all pieces of a sound, (pieces, frames, mel bands). A piece that is one frame
    shorter than the longest ends with a frame of NaN.

    Attributes:
      path: the file.
      offset: where the piece begins in the file, in bytes.
      stored_shape: the shape of the piece in the file, (frames, mel bands).
    """

    path: Path
    offset: int
    stored_shape: tuple[int, int]

    def __array__(self, dtype=None, copy=None):
        # np.load would parse the file's header again, for each clip of each batch.
        count = math.prod(self.stored_shape)
        frames = np.fromfile(self.path, DTYPE, count, offset=self.offset)
        frames = frames.reshape(self.stored_shape)
        if np.isnan(frames[-1, 0]):
            frames = frames[:-1]
        return np.asarray(frames.T, dtype=dtype, copy=copy)


def locate_cache(root: str | os.PathLike, cache_key: str, front_end: FrontEnd) -> Path:
    """Returns the folder of one data set, for one analysis, in the folder of all caches."""
    # These come after the analysis.
    analysis = dataclasses.replace(front_end, mean=0.0, std=1.0, input_mean=0.0, input_std=1.0)
    return Path(root) / _digest(f"{VERSION} {analysis} {cache_key}")[:16]


def analyse_sounds(
    folder: Path, dataset: Dataset, names: Sequence[str], *, front_end: FrontEnd
) -> tuple[Mapping[str, list[CachedSpectrogram]], Mapping[str, str]]:
    """Reads and analyses those sounds that are not in the cache yet, and adds them to it.

    Args:
      folder: the folder of the data set's cache.
      dataset: the data set.
      names: names of its sounds.
      front_end: the analysis.

    Returns:
      ({name: spectrograms of the sound's pieces}, {name: why the sound cannot be read}).

    Raises:
      UserError: the cache cannot be written.
    """
    paths = {name: _locate_sound(folder, dataset, name) for name in names}
    bands = front_end.n_mels
    cached = {name: _find_pieces(path, bands) for name, path in paths.items()}
    missing = {name: path for name, path in paths.items() if not cached[name]}
    broken = _add_sounds(folder, dataset, missing, front_end) if missing else {}
    cached |= {name: _find_pieces(path, bands) for name, path in missing.items()}
    return {name: pieces for name, pieces in cached.items() if pieces}, broken


def _locate_sound(folder, dataset, name):
    return folder / f"{_digest(f'{name} {dataset.fingerprint(name)}')[:32]}.npy"


def _digest(text):
    """Returns the SHA-256 of a text, which may hold the name of a file that is not UTF-8."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _find_pieces(path, bands):
    """Returns the spectrograms in a file, or none if the file is missing or damaged."""
    try:
        stored = np.load(path, mmap_mode="r")
        _check_stored(stored, bands)
    except FileNotFoundError:
        return []
    except Exception as error:  # Damaged bytes make NumPy raise many kinds of errors.
        log.warning("%s is damaged, so its sound is analysed again: %s", path, reason_of(error))
        _remove(path)
        return []
    count, *shape = stored.shape
    size = math.prod(shape) * stored.itemsize
    offsets = (stored.offset + piece * size for piece in range(count))
    return [CachedSpectrogram(path, offset, tuple(shape)) for offset in offsets]


def _check_stored(stored, bands):
    """Raises ValueError unless an array is what `_stack_pieces` makes."""
    is_array = isinstance(stored, np.ndarray) and stored.dtype == DTYPE and stored.ndim == 3
    if not is_array or not stored.flags.c_contiguous:
        raise ValueError("it must be an array of pieces, frames and mel bands")
    if stored.shape[2] != bands or not stored.size:
        raise ValueError(f"it must have {bands} mel bands and some frames, not {stored.shape}")
    # Only the last frame may be NaN, where a piece is one frame shorter.
    frames_are_whole = np.isfinite(stored).all(axis=2)
    if not frames_are_whole[:, :-1].all() or (stored.shape[1] == 1 and not frames_are_whole.all()):
        raise ValueError("it must hold finite numbers")


def _remove(path):
    """Removes what is in the place of a file, so that it can be written again."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _add_sounds(folder, dataset, paths, front_end):
    """Adds sounds to the cache; returns {name: why the sound cannot be read}."""
    add_sound = functools.partial(_add_sound, dataset.open_reader(front_end.sample_rate), front_end)
    threads = os.cpu_count() if dataset.thread_safe else 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(threads) as pool:
            # If a sound fails, or the run is stopped, `map` cancels those that have not begun.
            reasons = pool.map(add_sound, paths, paths.values())
            progress = tqdm(reasons, "analysing", len(paths), unit="sound", disable=None)
            return {name: reason for reason, name in zip(progress, paths) if reason}
    except (OSError, UserError) as error:
        raise UserError(
            f"cannot add to the cache {folder}: {reason_of(error)}; choose another folder with "
            "--cache"
        ) from error


def _add_sound(read, front_end, name, path):
    """Adds one sound to the cache; returns why it cannot be read, or None."""
    try:
        spectrograms = _analyse(read(name), front_end)
    except StorageError:
        raise
    except UserError as error:
        return str(error)
    except Exception as error:  # Whatever a sound makes a library raise, the others are read.
        return f"{name!r} cannot be read: {describe_error(error)}"
    file = io.BytesIO()
    np.save(file, _stack_pieces(spectrograms))
    write_whole(path, file.getvalue(), shared=True)
    return None


def _analyse(sound, front_end):
    if not (sound.size and np.isfinite(sound).all()):
        raise UserError("a sound must have samples, and they must be finite")
    pieces = cut_into_pieces(sound, sample_rate=front_end.sample_rate)
    if not pieces:
        raise UserError("a sound must not be silent")
    return [compute_mel_db(piece, front_end=front_end) for piece in pieces]


def _stack_pieces(spectrograms):
    """Stacks spectrograms (mel bands, frames) as `CachedSpectrogram` expects them in a file."""
    frames = max(spectrogram.shape[1] for spectrogram in spectrograms)
    stacked = np.full((len(spectrograms), frames, len(spectrograms[0])), np.nan, DTYPE)
    for piece, spectrogram in zip(stacked, spectrograms):
        piece[: spectrogram.shape[1]] = spectrogram.T
    return stacked
