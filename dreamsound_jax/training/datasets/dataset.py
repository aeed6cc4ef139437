"""The type of all data sets, and how one is made of sound files."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.system.errors import UserError

TRAIN = "train"


class LabelledSound(NamedTuple):
    """A sound and its class.

    Attributes:
      name: the sound's name, unique in its data set.
      label: the index of its class.
    """

    name: str
    label: int


@dataclass(frozen=True)
class Dataset:
    """Labelled sounds that have not been read yet.

    Attributes:
      classes: the names of the classes.
      splits: {name: sounds} of the split "train" and of one or more held-out splits.
      open_reader: returns, for a sample rate in Hz, a function that reads a sound: from its name to
        its samples at this rate. The function raises UserError if the sound is broken.
        `open_reader` is called only if there are sounds to read.
      fingerprint: returns, for a sound's name, a string that changes when the sound changes.
      cache_key: identifies the data set in the cache of analysed sounds.
      description: what a network learns from the data set, in a sentence for the model card.
      source: where the data set comes from, for the model card.
      license: the license of networks that are trained on the data set.
      rebuild_needs: what is needed to train on it again, for the model card.
      thread_safe: whether several threads may read sounds at the same time.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, list[LabelledSound]]
    open_reader: Callable[[int], Callable[[str], np.ndarray]]
    fingerprint: Callable[[str], str]
    cache_key: str
    description: str
    source: Mapping[str, str]
    license: str = "that of the sounds it was trained on"
    rebuild_needs: str = "With the sounds in the folder `--data_dir`:"
    thread_safe: bool = True

    @property
    def held_out(self) -> list[str]:
        """The names of the splits that are not trained on."""
        return [split for split in self.splits if split != TRAIN]


def make_file_dataset(
    data_dir: str | os.PathLike,
    *,
    classes: tuple[str, ...],
    splits: Mapping[str, list[LabelledSound]],
    description: str,
    source: Mapping[str, str],
) -> Dataset:
    """Makes a data set of sound files, which are named by their paths relative to `data_dir`.

    Raises:
      UserError: a split has no sounds.
    """
    root = Path(data_dir).absolute()
    for split, sounds in splits.items():
        if not sounds:
            raise UserError(f"{str(data_dir)!r} has no sounds for the split {split!r}")
    return Dataset(
        classes=classes,
        splits=splits,
        open_reader=lambda sample_rate: (
            lambda name: read_sound(str(root / name), sample_rate=sample_rate)
        ),
        fingerprint=lambda name: _fingerprint_file(root / name),
        cache_key=str(root),
        description=description,
        source=source,
    )


def _fingerprint_file(path):
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return "missing"  # Reading the file raises an error that says more.
    return f"{status.st_size} {status.st_mtime_ns}"
