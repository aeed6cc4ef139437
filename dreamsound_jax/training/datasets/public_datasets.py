"""Public data sets: UrbanSound8K and FMA-small, as they are downloaded."""

import os
import re
from pathlib import Path

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.dataset import (
    TRAIN,
    Dataset,
    LabelledSound,
    make_file_dataset,
)
from dreamsound_jax.training.datasets.tables import Row, read_rows, show_cell

# The reference's names, in the order of the data set's class numbers.
URBANSOUND8K_CLASSES = (
    ("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling")
    + ("engine_idling", "gun_shot", "jackhammer", "siren", "street_music")
)  # fmt: skip
URBANSOUND8K_FOLDS = range(1, 11)
TABLE = "UrbanSound8K.csv"
_FOLD = re.compile(r"fold[0-9]+")

# The reference's names, in its order. The data set writes Hip-Hop for hip_hop.
FMA_CLASSES = (
    ("hip_hop", "pop", "folk", "experimental")
    + ("rock", "international", "electronic", "instrumental")
)  # fmt: skip
FMA_MOST_TRACKS = 999_999  # A track has six digits.
FMA_SPLITS = {"training": TRAIN, "validation": "validation", "test": "test"}
# These excerpts in FMA-small are empty, or hold less than two of their thirty seconds.
FMA_BROKEN_TRACKS = {98565, 98567, 98569, 99134, 108925, 133297}


def find_urbansound8k(data_dir: str | os.PathLike, *, fold: int) -> Dataset:
    """Finds the sounds of UrbanSound8K (Salamon, Jacoby and Bello, 2014).

    Args:
      data_dir: the folder that holds `metadata` and `audio`; or Kaggle's, which holds
        UrbanSound8K.csv and fold1 to fold10.
      fold: the official fold, from 1 to 10, that is held out.

    Raises:
      UserError: there is no such fold, or metadata/UrbanSound8K.csv is missing, lacks columns, or
        has a row that cannot be used, which the message names.
    """
    if fold not in URBANSOUND8K_FOLDS:
        raise UserError(f"--fold must be from 1 to 10, got {fold}")
    root = Path(data_dir)
    # Kaggle's copy has the table and the folds side by side.
    is_flat = (root / TABLE).is_file() and not (root / "metadata" / TABLE).is_file()
    table, audio = (root / TABLE, "") if is_flat else (root / "metadata" / TABLE, "audio/")
    held_out = f"fold_{fold}"
    seen: set[str] = set()
    splits: dict[str, list[LabelledSound]] = {TRAIN: [], held_out: []}
    for row in read_rows(table, ("slice_file_name", "fold", "class"), dataset="UrbanSound8K"):
        of_row = row.whole_number("fold", lowest=1, highest=URBANSOUND8K_FOLDS[-1])
        name = f"{audio}fold{of_row}/{_take_file_name(row, f'fold{of_row}')}"
        label = URBANSOUND8K_CLASSES.index(row.choice("class", "class", URBANSOUND8K_CLASSES))
        _refuse_to_repeat(row, name, seen)
        splits[held_out if of_row == fold else TRAIN].append(LabelledSound(name, label))
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
      UserError: fma_metadata/tracks.csv is missing, lacks columns, or has a
        row that cannot be used, which the message names.
    """
    table = Path(data_dir) / "fma_metadata" / "tracks.csv"
    columns = ("set.subset", "set.split", "track.genre_top")
    splits: dict[str, list[LabelledSound]] = {split: [] for split in FMA_SPLITS.values()}
    seen: set[str] = set()
    for row in read_rows(table, columns, dataset="FMA", read_header=_read_fma_header):
        if row.text("set.subset") != "small":
            continue
        track = row.whole_number("track_id", lowest=1, highest=FMA_MOST_TRACKS)
        if track not in FMA_BROKEN_TRACKS:
            genre = row.text("track.genre_top").lower().replace("-", "_")
            genre = Row(row.place, {"genre": genre}).choice("genre", "genre", FMA_CLASSES)
            split = row.choice("set.split", "split", [*FMA_SPLITS])
            name = f"fma_small/{track // 1000:03d}/{track:06d}.mp3"
            _refuse_to_repeat(row, name, seen)
            splits[FMA_SPLITS[split]].append(LabelledSound(name, FMA_CLASSES.index(genre)))
    broken = ", ".join(map(str, sorted(FMA_BROKEN_TRACKS)))
    return make_file_dataset(
        data_dir,
        classes=FMA_CLASSES,
        splits=splits,
        description="Names the genre of a piece of music.",
        source={"data": "FMA-small, official split", "left_out": f"broken excerpts {broken}"},
    )


def _take_file_name(row, folder):
    """Returns the name of a sound in a folder; the cell may name that folder, and those above."""
    cell = row.text("slice_file_name")
    *above, name = cell.replace("\\", "/").split("/")
    named = above[-1].lower() if above else folder
    if named != folder and _FOLD.fullmatch(named):
        raise UserError(
            f"{row.place}: slice_file_name and fold must name one folder, got {show_cell(cell)} "
            f"and {folder}"
        )
    is_elsewhere = named != folder or ".." in above
    if is_elsewhere or name in ("", ".", "..") or "\ufffd" in name or not name.isprintable():
        raise UserError(
            f"{row.place}: slice_file_name must be the name of a file, such as 7061-6-0-0.wav or "
            f"{folder}/7061-6-0-0.wav, got {show_cell(cell)}"
        )
    return name


def _refuse_to_repeat(row, name, seen):
    """A sound that came twice could be trained on and held out."""
    if name in seen:
        raise UserError(f"{row.place} has {show_cell(name)} a second time")
    seen.add(name)


def _read_fma_header(lines):
    """Reads FMA's header of three lines: `set` above `subset`, and the name of the index."""
    upper, lower, _ = next(lines), next(lines), next(lines)
    names = [f"{above}.{below}" for above, below in zip(upper, lower)]
    return ["track_id", *names[1:]]
