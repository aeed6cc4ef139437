"""Public data sets: UrbanSound8K and FMA-small, as they are downloaded."""

import csv
import os
from pathlib import Path

from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.training.datasets.dataset import (
    TRAIN,
    Dataset,
    LabelledSound,
    make_file_dataset,
)

# The reference's names, in the order of the data set's class numbers.
URBANSOUND8K_CLASSES = (
    ("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling")
    + ("engine_idling", "gun_shot", "jackhammer", "siren", "street_music")
)  # fmt: skip
URBANSOUND8K_FOLDS = range(1, 11)

# The reference's names, in its order. The data set writes Hip-Hop for hip_hop.
FMA_CLASSES = (
    ("hip_hop", "pop", "folk", "experimental")
    + ("rock", "international", "electronic", "instrumental")
)  # fmt: skip
FMA_SPLITS = {"training": TRAIN, "validation": "validation", "test": "test"}
# These excerpts in FMA-small are empty, or hold less than two of their thirty seconds.
FMA_BROKEN_TRACKS = {98565, 98567, 98569, 99134, 108925, 133297}


def find_urbansound8k(data_dir: str | os.PathLike, *, fold: int) -> Dataset:
    """Finds the sounds of UrbanSound8K (Salamon, Jacoby and Bello, 2014).

    Args:
      data_dir: the folder that holds `metadata` and `audio`.
      fold: the official fold, from 1 to 10, that is held out.

    Raises:
      UserError: there is no such fold, or metadata/UrbanSound8K.csv is missing or lacks columns.
    """
    if fold not in URBANSOUND8K_FOLDS:
        raise UserError(f"--fold must be from 1 to 10, got {fold}")
    table = Path(data_dir) / "metadata" / "UrbanSound8K.csv"
    held_out = f"fold_{fold}"
    splits: dict[str, list[LabelledSound]] = {TRAIN: [], held_out: []}
    for row in _read_table(table, ("slice_file_name", "fold", "class"), dataset="UrbanSound8K"):
        name = f"audio/fold{row['fold']}/{row['slice_file_name']}"
        class_name = nearest_or_fail("class", row["class"], URBANSOUND8K_CLASSES)
        sound = LabelledSound(name, URBANSOUND8K_CLASSES.index(class_name))
        splits[held_out if row["fold"] == str(fold) else TRAIN].append(sound)
    return make_file_dataset(
        data_dir,
        classes=URBANSOUND8K_CLASSES,
        splits=splits,
        description="Names the source of a city sound.",
        source={
            "data": "UrbanSound8K, official folds",
            held_out: "the fold that is not trained on",
        },
    )


def find_fma_small(data_dir: str | os.PathLike) -> Dataset:
    """Finds the sounds of FMA-small (Defferrard et al., 2017) in its official splits.

    The broken excerpts are left out.

    Args:
      data_dir: the folder that holds `fma_metadata` and `fma_small`.

    Raises:
      UserError: fma_metadata/tracks.csv is missing or lacks columns.
    """
    table = Path(data_dir) / "fma_metadata" / "tracks.csv"
    columns = ("set.subset", "set.split", "track.genre_top")
    splits: dict[str, list[LabelledSound]] = {split: [] for split in FMA_SPLITS.values()}
    for row in _read_table(table, columns, dataset="FMA", read_header=_read_fma_header):
        track = int(row["track_id"])
        if row["set.subset"] == "small" and track not in FMA_BROKEN_TRACKS:
            genre = row["track.genre_top"].lower().replace("-", "_")
            label = FMA_CLASSES.index(nearest_or_fail("genre", genre, FMA_CLASSES))
            name = f"fma_small/{track // 1000:03d}/{track:06d}.mp3"
            splits[FMA_SPLITS[row["set.split"]]].append(LabelledSound(name, label))
    broken = ", ".join(map(str, sorted(FMA_BROKEN_TRACKS)))
    return make_file_dataset(
        data_dir,
        classes=FMA_CLASSES,
        splits=splits,
        description="Names the genre of a piece of music.",
        source={"data": "FMA-small, official split", "left_out": f"broken excerpts {broken}"},
    )


def _read_table(path, columns, *, dataset, read_header=next):
    """Reads the rows of a CSV file as dictionaries; `read_header` reads the column names."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            names = read_header(lines)
            missing = [column for column in columns if column not in names]
            if missing:
                raise UserError(
                    f"{path} is not the table of {dataset}: it has no column {', '.join(missing)}"
                )
            return [dict(zip(names, line)) for line in lines]
    except FileNotFoundError:
        raise UserError(f"no file {path}: --data_dir must be the folder of {dataset}") from None
    except (StopIteration, UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(f"cannot read {path}: {error or 'it is empty'}") from None


def _read_fma_header(lines):
    """Reads FMA's header of three lines: `set` above `subset`, and the name of the index."""
    upper, lower, _ = next(lines), next(lines), next(lines)
    names = [f"{above}.{below}" for above, below in zip(upper, lower)]
    return ["track_id", *names[1:]]
