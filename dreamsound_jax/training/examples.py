"""Labelled spectrograms: their statistics, random windows to train on, all windows to measure."""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets import TRAIN
from dreamsound_jax.training.mel_cache import analyse_all, cache_folder

log = logging.getLogger(__name__)

READ_AHEAD = {"num_threads": 4, "prefetch_buffer_size": 256}  # clips


@dataclasses.dataclass(frozen=True)
class Examples:
    """Mel spectrograms, each (mel bands, frames) in dB of any float dtype, and labels (clips,)."""

    mel_db: Sequence[np.ndarray]
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def sample(self, count):
        """At most `count` clips, evenly spread."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        return Examples([self.mel_db[clip] for clip in chosen], self.labels[chosen])


def load(dataset, cache):
    """{split: Examples} of a Dataset; sounds that cannot be read are named, counted and left out.

    Args:
      dataset: a Dataset.
      cache: the folder of analysed sounds.

    Raises:
      UserError: nothing is left of a split, or of all classes but one.
    """
    names = [sound.name for sounds in dataset.splits.values() for sound in sounds]
    pieces, broken = analyse_all(cache_folder(cache, dataset.identity), dataset, names)
    for reason in broken.values():
        log.warning("skipped: %s", reason)
    if broken:
        log.warning("%d of %d sounds were skipped, for the reasons above", len(broken), len(names))
    loaded = {split: _examples(sounds, pieces) for split, sounds in dataset.splits.items()}
    _check(loaded)
    return loaded


def _examples(sounds, pieces):
    found = [(piece, sound.label) for sound in sounds for piece in pieces.get(sound.name, ())]
    return Examples([piece for piece, _ in found], np.array([label for _, label in found], int))


def _check(loaded):
    empty = [split for split, examples in loaded.items() if not len(examples)]
    if empty:
        raise UserError(f"no sound that can be read in the split {', '.join(empty)}")
    if len(np.unique(loaded[TRAIN].labels)) < 2:
        raise UserError("the sounds that can be read are all of one class; two or more are needed")


def statistics(examples):
    """Mean and standard deviation of all cells, in dB; one clip at a time, in float64."""
    clips = (np.asarray(clip, np.float64) for clip in examples.mel_db)
    sums = [(clip.sum(), np.square(clip).sum(), clip.size) for clip in clips]
    total, square, size = np.sum(sums, 0)
    return float(total / size), float(np.sqrt(square / size - (total / size) ** 2))


def batches(examples, *, seed, epoch, window, size, start=0):
    """Goes once through the clips, in random order, a last, smaller batch left out.

    Args:
      examples: Examples.
      seed, epoch: decide the order and the windows.
      window: frames of each clip; a shorter clip is repeated.
      size: clips in a batch.
      start: the number of the first batch to give; those before it are not even read.

    Yields:
      (mel dB (size, mel bands, window) float32, labels (size,)), each clip cut to a random window.
    """

    def cut(clip, rng):
        mel_db = repeat_to(examples.mel_db[clip], window)
        first = rng.integers(mel_db.shape[1] - window + 1)
        return np.float32(mel_db[:, first : first + window]), examples.labels[clip]

    grain = grain_or_fail()
    order = grain.MapDataset.range(len(examples)).seed(_mixed(seed, epoch)).shuffle()
    data = order.random_map(cut).batch(size, drop_remainder=True)
    return iter(data.slice(slice(start, None)).to_iter_dataset(grain.ReadOptions(**READ_AHEAD)))


def grain_or_fail():
    """The package that feeds the training; UserError if it is not installed."""
    try:
        import grain
    except ImportError:
        raise UserError("training needs grain: pip install -e '.[train]'") from None
    return grain


def _mixed(seed, epoch):
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def whole(mel_db, window):
    """All of a clip (mel bands, frames) in windows (windows, mel bands, window), float32.

    They are evenly spread, and overlap where the frames are no multiple of the window; a shorter
    clip is repeated.
    """
    mel_db = repeat_to(mel_db, window)
    frames = mel_db.shape[1]
    starts = np.linspace(0, frames - window, -(-frames // window)).round().astype(int)
    return np.stack([np.float32(mel_db[:, start : start + window]) for start in starts])


def repeat_to(mel_db, frames):
    """(mel bands, frames) repeated in time until it has at least `frames`."""
    times = -(-frames // mel_db.shape[1])
    return np.tile(mel_db, times) if times > 1 else mel_db
