"""Analysed sounds, kept on disk: a data set is decoded and analysed once.

The cache only grows. Each process writes a pair of files of its own: `*.mel`, spectrograms one
after the other, and `*.jsonl`, a line for each sound that is complete. So a killed run leaves what
it had done, and two runs at once do not harm each other.
"""

import functools
import hashlib
import itertools
import json
import logging
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from dreamsound_jax.spectral.mel import N_MELS, SAMPLE_RATE, sound_to_mel_db
from dreamsound_jax.spectral.stft import frame_count
from dreamsound_jax.system.errors import UserError, reason_of

log = logging.getLogger(__name__)

VERSION = 2  # of what is kept: raise it when the analysis changes
PIECE_SAMPLES = 40 * SAMPLE_RATE  # longer sounds are cut into equal pieces
GROUP = 64  # sounds read before they are analysed and written
SILENT = 1e-5  # a peak of -100 dB, the floor of the analysis
_DTYPE = np.float16  # steps of up to 0.06 dB


def analyse_all(folder, dataset, names):
    """The mel spectrograms of `names`, from the cache, or else read now and kept.

    Args:
      folder: of the cache.
      dataset: a Dataset.
      names: of its sounds.

    Returns:
      ({name: its pieces, each (mel bands, frames) float16 in dB}, {name: why it cannot be read}).

    Raises:
      UserError: the cache cannot be written.
    """
    keys = {name: f"{name} {dataset.stamp(name)}" for name in names}
    kept, broken = _kept(folder), {}
    new = [name for name in names if keys[name] not in kept]
    if new:
        try:
            broken = _add(folder, dataset, {name: keys[name] for name in new})
        except OSError as error:
            reason = f"cannot keep analysed sounds in {folder}: {reason_of(error)}"
            raise UserError(f"{reason}; --cache names another folder") from error
        kept = _kept(folder)
    return {name: kept[key] for name, key in keys.items() if key in kept}, broken


def _kept(folder):
    """{key: pieces} of all that is complete; the spectrograms stay on disk until they are used."""
    kept = {}
    for index in sorted(Path(folder).glob("*.jsonl")):
        try:
            kept |= _kept_in(index)
        except (ValueError, KeyError, OSError) as error:
            log.warning("left out a damaged part of the cache, %s: %s", index, reason_of(error))
    return kept


def _kept_in(index):
    """{key: pieces} of one pair of files; a last line without its end is not there."""
    lines = index.read_text().splitlines(keepends=True)
    entries = [json.loads(line) for line in lines if line.endswith("\n")]
    if not entries:
        return {}
    shape = entries[-1]["start"] + sum(entries[-1]["frames"]), N_MELS
    frames = np.memmap(index.with_suffix(".mel"), _DTYPE, mode="r", shape=shape)
    kept = {}
    for entry in entries:
        ends = entry["start"] + np.cumsum([0, *entry["frames"]])
        spans = itertools.pairwise(ends.tolist())
        kept[entry["key"]] = [frames[start:stop].T for start, stop in spans]
    return kept


def _add(folder, dataset, keys):
    """Reads and analyses sounds, a group at a time; {name: reason} of those that are broken."""
    read = functools.partial(_read_or_error, dataset.reader())
    Path(folder).mkdir(parents=True, exist_ok=True)
    base, broken, done = Path(folder) / uuid.uuid4().hex, {}, 0
    threads = os.cpu_count() if dataset.parallel else 1
    with (
        base.with_suffix(".mel").open("wb") as data,
        base.with_suffix(".jsonl").open("w") as index,
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(keys), desc="analysing", unit="sound", disable=None) as bar,
    ):
        for group in _groups(list(keys)):
            for name, sound in zip(group, pool.map(read, group)):
                bar.update()
                if isinstance(sound, UserError):
                    broken[name] = str(sound)
                    continue
                pieces = [analyse(piece) for piece in cut(sound)]
                for piece in pieces:
                    data.write(np.ascontiguousarray(piece.T).tobytes())
                data.flush()  # before the line that says that it is there
                frames = [piece.shape[1] for piece in pieces]
                print(json.dumps({"key": keys[name], "start": done, "frames": frames}), file=index)
                done += sum(frames)
    return broken


def _groups(names):
    return (names[start : start + GROUP] for start in range(0, len(names), GROUP))


def _read_or_error(read, name):
    try:
        return read(name)
    except UserError as error:
        return error


def cut(sound):
    """A sound in equal pieces of at most `PIECE_SAMPLES`, each with a peak of 1; no silent ones."""
    pieces = np.array_split(sound, -(-sound.size // PIECE_SAMPLES))
    peaks = [np.abs(piece).max() for piece in pieces]
    return [piece / peak for piece, peak in zip(pieces, peaks) if peak > SILENT]


def analyse(sound):
    """The mel spectrogram (mel bands, frames) of a sound (samples,), float16 in dB.

    Sounds are filled up with silence to a few lengths, each of which is compiled once: silence
    changes no frame that was there, nor the loudest cell that all are measured against.
    """
    filled = np.pad(np.float32(sound), (0, padded_length(sound.size) - sound.size))
    return np.asarray(_analyse(filled)[:, : frame_count(sound.size)], _DTYPE)


_analyse = jax.jit(sound_to_mel_db)


def padded_length(samples):
    """`samples`, rounded up to one of four lengths an octave."""
    step = 2 ** max(samples.bit_length() - 3, 0)
    return -(-samples // step) * step


def cache_folder(root, identity):
    """The folder, in the cache `root`, of the data set that is called `identity`."""
    digest = hashlib.sha256(f"{VERSION} {identity}".encode()).hexdigest()[:16]
    return Path(root) / digest
