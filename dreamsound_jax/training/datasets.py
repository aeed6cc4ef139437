"""Labelled sounds to train on: UrbanSound8K, FMA-small, or a folder of sounds for each class.

A reader finds the sounds, their classes and their splits; it opens no sound. `gm.py` has one more
data set, which is rendered.
"""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.audio.find import is_sound
from dreamsound_jax.spectral.mel import SAMPLE_RATE
from dreamsound_jax.system.errors import UserError, nearest_or_fail

TRAIN = "train"

# The reference's names, in the order of the data set's class numbers.
URBAN_CLASSES = (
    ("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling")
    + ("engine_idling", "gun_shot", "jackhammer", "siren", "street_music")
)  # fmt: skip
URBAN_FOLDS = range(1, 11)

# The reference's names, in its order; FMA writes Hip-Hop where these have hip_hop.
FMA_CLASSES = (
    ("hip_hop", "pop", "folk", "experimental")
    + ("rock", "international", "electronic", "instrumental")
)  # fmt: skip
FMA_SPLITS = {"training": TRAIN, "validation": "validation", "test": "test"}
# Excerpts in FMA-small that are empty, or hold under two of their thirty seconds.
FMA_BROKEN = {98565, 98567, 98569, 99134, 108925, 133297}


class Labelled(NamedTuple):
    """A sound by its name, unique in its data set, and the index of its class."""

    name: str
    label: int


@dataclass(frozen=True)
class Dataset:
    """Labelled sounds, not yet heard.

    Attributes:
      classes: their names; a label is an index into them.
      splits: {name: what is in it}; "train", and one or more that are held out.
      reader: gives the function that reads a sound: from its name to its samples at 22,050 Hz,
        UserError if it is broken. Called only if there are sounds to read.
      stamp: from the name of a sound to what changes when the sound does.
      identity: what its analysed sounds are kept under.
      description: what a network learns from it, in a sentence.
      facts: where it comes from, for the model card.
      license: of networks that are trained on it.
      needs: what there must be before it can be read again.
      parallel: whether several threads may read at once.
    """

    classes: tuple[str, ...]
    splits: dict[str, list[Labelled]]
    reader: Callable[[], Callable[[str], np.ndarray]]
    stamp: Callable[[str], str]
    identity: str
    description: str
    facts: dict[str, str]
    license: str = "that of the sounds it was trained on"
    needs: str = "With the sounds in the folder `--data_dir`:"
    parallel: bool = True

    @property
    def held_out(self):
        """The names of the splits that are not trained on."""
        return [split for split in self.splits if split != TRAIN]


def urbansound8k(data_dir, *, fold):
    """UrbanSound8K (Salamon, Jacoby and Bello, 2014), one of its ten official folds held out.

    Raises:
      UserError: no metadata/UrbanSound8K.csv, or not its columns; a fold that does not exist.
    """
    if fold not in URBAN_FOLDS:
        raise UserError(f"--fold={fold}: UrbanSound8K has folds 1 to 10")
    table = Path(data_dir) / "metadata" / "UrbanSound8K.csv"
    held_out = f"fold_{fold}"
    splits = {TRAIN: [], held_out: []}
    for row in _rows(table, ("slice_file_name", "fold", "class"), of="UrbanSound8K"):
        name = f"audio/fold{row['fold']}/{row['slice_file_name']}"
        label = URBAN_CLASSES.index(nearest_or_fail("class", row["class"], URBAN_CLASSES))
        splits[held_out if row["fold"] == str(fold) else TRAIN].append(Labelled(name, label))
    facts = {"data": "UrbanSound8K, official folds", held_out: "the fold that is not trained on"}
    return _of_files(data_dir, URBAN_CLASSES, splits, facts, "Names the source of a city sound.")


def fma_small(data_dir):
    """FMA-small (Defferrard et al., 2017), in its official split, its broken excerpts left out.

    Args:
      data_dir: the folder that holds `fma_metadata` and `fma_small`.

    Raises:
      UserError: no fma_metadata/tracks.csv, or not its columns.
    """
    table = Path(data_dir) / "fma_metadata" / "tracks.csv"
    columns = ("set.subset", "set.split", "track.genre_top")
    splits = {split: [] for split in FMA_SPLITS.values()}
    for row in _rows(table, columns, of="FMA", header=_fma_header):
        track = int(row["track_id"])
        if row["set.subset"] == "small" and track not in FMA_BROKEN:
            genre = row["track.genre_top"].lower().replace("-", "_")
            label = FMA_CLASSES.index(nearest_or_fail("genre", genre, FMA_CLASSES))
            name = f"fma_small/{track // 1000:03d}/{track:06d}.mp3"
            splits[FMA_SPLITS[row["set.split"]]].append(Labelled(name, label))
    facts = {"data": "FMA-small, official split"}
    facts["left_out"] = "broken excerpts " + ", ".join(map(str, sorted(FMA_BROKEN)))
    return _of_files(data_dir, FMA_CLASSES, splits, facts, "Names the genre of a piece of music.")


def folder(data_dir, *, held_out, seed):
    """Any sounds, sorted into a folder for each class; sounds in its subfolders belong to it.

    Args:
      data_dir: the folder of these folders.
      held_out: the share of each class that is not trained on; at least one sound.
      seed: of the choice.

    Raises:
      UserError: no such folder, fewer than two classes, or a class of a single sound.
    """
    root = Path(data_dir)
    if not root.is_dir():
        raise UserError(
            f"no folder {str(data_dir)!r}; accepted is one with a folder for each class"
        )
    found = {
        place.name: _sounds_below(place) for place in sorted(root.iterdir()) if _is_class(place)
    }
    classes = tuple(name for name, sounds in found.items() if sounds)
    if len(classes) < 2:
        there = ", ".join(classes) or "none"
        raise UserError(
            f"{str(data_dir)!r} has folders with sounds for {len(classes)} classes: {there}; "
            "accepted are two or more"
        )
    splits, rng = {TRAIN: [], "held_out": []}, np.random.default_rng(seed)
    for label, name in enumerate(classes):
        names = [sound.relative_to(root).as_posix() for sound in found[name]]
        if len(names) < 2:
            raise UserError(f"class {name} has one sound; two or more are needed, one to hold out")
        names = list(rng.permutation(names))
        kept_back = max(1, round(held_out * len(names)))
        splits["held_out"] += [Labelled(str(sound), label) for sound in names[:kept_back]]
        splits[TRAIN] += [Labelled(str(sound), label) for sound in names[kept_back:]]
    facts = {"data": f"the folders of {root.absolute().name}"}
    return _of_files(data_dir, classes, splits, facts, "Names the class of a sound.")


def _is_class(place):
    return place.is_dir() and not place.name.startswith(".")


def _sounds_below(place):
    return sorted(path for path in place.rglob("*") if path.is_file() and is_sound(path.name))


def _of_files(data_dir, classes, splits, facts, description):
    root = Path(data_dir).absolute()
    for split, sounds in splits.items():
        if not sounds:
            raise UserError(f"{str(data_dir)!r} has no sounds to put into the split {split!r}")

    def stamp(name):
        try:
            status = os.stat(root / name)
        except OSError:
            return "missing"  # what is wrong with it is said when it is read
        return f"{status.st_size} {status.st_mtime_ns}"

    return Dataset(
        classes=classes,
        splits=splits,
        reader=lambda: lambda name: read_sound(str(root / name), sample_rate=SAMPLE_RATE),
        stamp=stamp,
        identity=str(root),
        description=description,
        facts=facts,
    )


def _rows(path, columns, *, of, header=next):
    """The rows of a csv file as dicts; `header` takes the column names off its lines."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            names = header(lines)
            missing = [column for column in columns if column not in names]
            if missing:
                raise UserError(f"{path} is not {of}'s table: no column {', '.join(missing)}")
            return [dict(zip(names, line)) for line in lines]
    except FileNotFoundError:
        raise UserError(f"no file {path}: --data_dir is to be the folder of {of}") from None
    except (StopIteration, UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(f"cannot read {path}: {error or 'it is empty'}") from None


def _fma_header(lines):
    """FMA's names stand in two lines, `set` above `subset`; a third names the index."""
    upper, lower, _ = next(lines), next(lines), next(lines)
    names = [f"{above}.{below}" for above, below in zip(upper, lower)]
    return ["track_id", *names[1:]]
