"""Labelled spectrograms: how they are loaded, batched for training, and split for evaluation."""

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike

from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.dataset import TRAIN, Dataset
from dreamsound_jax.training.mel_cache import analyse_sounds, locate_cache

log = logging.getLogger(__name__)

MOST_NAMED = 10  # Sounds that are skipped are named one by one up to so many.
READ_OPTIONS = {"num_threads": 4, "prefetch_buffer_size": 256}  # The buffer counts clips.


@dataclasses.dataclass(frozen=True)
class Examples:
    """Mel spectrograms and their classes.

    Attributes:
      mel_db: spectrograms, or what `np.asarray` reads from the disk, each (mel bands, frames) in dB
        with any float dtype.
      labels: indices of classes (clips,).
    """

    mel_db: Sequence[ArrayLike]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def select_evenly(self, count: int) -> "Examples":
        """Selects at most `count` clips, evenly spread over all of them."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        return Examples([self.mel_db[clip] for clip in chosen], self.labels[chosen])


def load_examples(
    dataset: Dataset, cache: str | os.PathLike, *, front_end: FrontEnd
) -> Mapping[str, Examples]:
    """Loads a data set. Sounds that cannot be read are logged and left out.

    Args:
      dataset: the data set.
      cache: the folder of all caches of analysed sounds.
      front_end: the analysis, whose statistics do not matter.

    Returns:
      {split: Examples}.

    Raises:
      UserError: a split has no readable sounds, or all readable sounds are of one class.
    """
    names = [sound.name for sounds in dataset.splits.values() for sound in sounds]
    folder = locate_cache(cache, dataset.cache_key, front_end)
    spectrograms, broken = analyse_sounds(folder, dataset, names, front_end=front_end)
    _report_skipped(list(broken.values()), len(names))
    splits = {
        split: _make_examples(sounds, spectrograms) for split, sounds in dataset.splits.items()
    }
    _check_splits(splits)
    return splits


def _report_skipped(reasons, total):
    """Names each sound that was skipped, or of very many one example."""
    if len(reasons) > MOST_NAMED:
        log.warning("%d of %d sounds were skipped, such as: %s", len(reasons), total, reasons[0])
    elif reasons:
        for reason in reasons:
            log.warning("skipped: %s", reason)
        log.warning("%d of %d sounds were skipped for these reasons", len(reasons), total)


def _make_examples(sounds, spectrograms):
    pieces, labels = [], []
    for sound in sounds:
        for piece in spectrograms.get(sound.name, ()):
            pieces.append(piece)
            labels.append(sound.label)
    return Examples(pieces, np.array(labels, int))


def _check_splits(splits):
    empty = [split for split, examples in splits.items() if not len(examples)]
    if empty:
        raise UserError(f"no sound of the split {', '.join(empty)} can be read")
    if len(np.unique(splits[TRAIN].labels)) < 2:
        raise UserError(
            "the sounds must be of two or more classes, but all that can be read are of one class"
        )


def measure_statistics(examples: Examples, front_end: FrontEnd) -> FrontEnd:
    """Returns a front end with the statistics of these examples.

    They are the mean and the standard deviation of all cells in dB, and of what they are compressed
    to if that is another scale.
    """
    mean, std = _measure_cells(examples, lambda mel_db: mel_db)
    measured = {"mean": mean, "std": std}
    if front_end.compression != DECIBEL:
        mean, std = _measure_cells(examples, front_end.compress_db)
        measured |= {"input_mean": mean, "input_std": std}
    return dataclasses.replace(front_end, **measured)


def _measure_cells(examples, convert):
    """Measures mean and standard deviation of converted dB, one clip at a time in float64."""
    clips = (convert(np.asarray(clip, np.float64)) for clip in examples.mel_db)
    sums = [(clip.sum(), np.square(clip).sum(), clip.size) for clip in clips]
    total, square, size = np.sum(sums, 0)
    return float(total / size), float(np.sqrt(square / size - (total / size) ** 2))


def iterate_batches(
    examples: Examples, *, seed: int, epoch: int, window: int, size: int, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Iterates over all clips once, in random order. A last, smaller batch is left out.

    Args:
      examples: the clips.
      seed: decides, with `epoch`, the order and the windows.
      epoch: the number of the epoch.
      window: how many frames are cut out of each clip at a random place. A shorter clip is
        repeated first.
      size: the number of clips in a batch.
      start: the number of the first batch to return. Those before it are not read.

    Returns:
      An iterator over (spectrograms (size, mel bands, window) float32 in dB, labels (size,)).

    Raises:
      UserError: grain is not installed.
    """

    def cut_window(clip, rng):
        mel_db = repeat_to_length(examples.mel_db[clip], window)
        first = rng.integers(mel_db.shape[1] - window + 1)
        return np.float32(mel_db[:, first : first + window]), examples.labels[clip]

    grain = import_grain()
    order = grain.MapDataset.range(len(examples)).seed(_mix_seeds(seed, epoch)).shuffle()
    data = order.random_map(cut_window).batch(size, drop_remainder=True)
    return iter(data.slice(slice(start, None)).to_iter_dataset(grain.ReadOptions(**READ_OPTIONS)))


def import_grain() -> ModuleType:
    """Imports the package that loads batches; raises UserError if it is not installed."""
    try:
        import grain
    except ImportError:
        raise UserError("training needs grain: pip install -e '.[train]'") from None
    return grain


def _mix_seeds(seed, epoch):
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def split_into_windows(mel_db: ArrayLike, window: int) -> np.ndarray:
    """Splits a clip (mel bands, frames) into windows (windows, mel bands, window), float32.

    The windows are evenly spread and cover the whole clip, so they overlap unless the number of
    frames is a multiple of `window`. A shorter clip is repeated first.
    """
    mel_db = repeat_to_length(mel_db, window)
    frames = mel_db.shape[1]
    starts = np.linspace(0, frames - window, -(-frames // window)).round().astype(int)
    return np.stack([np.float32(mel_db[:, start : start + window]) for start in starts])


def repeat_to_length(mel_db: ArrayLike, frames: int) -> np.ndarray:
    """Repeats a clip (mel bands, frames) in time until it has at least `frames` frames."""
    mel_db = np.asarray(mel_db)
    repeats = -(-frames // mel_db.shape[1])
    return np.tile(mel_db, repeats) if repeats > 1 else mel_db
