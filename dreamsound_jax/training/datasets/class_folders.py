"""A data set of your own sounds, in one folder for each class."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from dreamsound_jax.audio.find import is_sound
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import printable_name
from dreamsound_jax.training.datasets.dataset import (
    TRAIN,
    Dataset,
    LabelledSound,
    make_file_dataset,
)

HELD_OUT = "held_out"
TRAIN_NAMES = ("train", "training")
HELD_OUT_NAMES = ("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation")
log = logging.getLogger(__name__)

Sounds = dict[str, list[str]]
"""{class: paths of its sounds, relative to the data set's folder}."""


def find_class_folders(data_dir: str | os.PathLike, *, held_out: float, seed: int) -> Dataset:
    """Finds sounds that are sorted into one folder for each class, or its subfolders.

    Links to folders are followed. If the folders are called `train` and `test`, or `val` and the
    like, and hold the classes' folders themselves, they are the splits.

    Args:
      data_dir: the folder that holds the classes' folders.
      held_out: the share of each class that is not trained on; at least one sound is held out.
      seed: decides which sounds are held out.

    Raises:
      UserError: the folder does not exist, or there are fewer than two classes, or fewer than two
        sounds of a class.
    """
    root = Path(data_dir)
    if not root.is_dir():
        raise UserError(f"--data_dir must be a folder with a folder for each class, got {data_dir}")
    given = _find_given_splits(root)
    classes, splits = _use_splits(root, given) if given else _split(root, held_out, seed)
    return make_file_dataset(
        data_dir,
        classes=classes,
        splits=splits,
        description="Names the class of a sound.",
        source={"data": f"the folders of {printable_name(root.absolute().name)}"},
    )


def _split(root, held_out, seed):
    """Returns the classes and the splits; a share of each class is held out at random."""
    sounds_by_class = _find_sounds_by_class(root, root)
    _check_classes(root, sounds_by_class)
    _warn_of_common_folders(sounds_by_class)
    splits: dict[str, list[LabelledSound]] = {TRAIN: [], HELD_OUT: []}
    rng = np.random.default_rng(seed)
    for label, (name, sounds) in enumerate(sounds_by_class.items()):
        if len(sounds) < 2:
            raise UserError(
                f"class {name} must have two or more sounds, got one: add sounds, or take its "
                "folder away"
            )
        shuffled = [LabelledSound(str(sound), label) for sound in rng.permutation(sounds)]
        count = max(1, round(held_out * len(sounds)))
        splits[HELD_OUT] += shuffled[:count]
        splits[TRAIN] += shuffled[count:]
    return tuple(sounds_by_class), splits


def _find_given_splits(root: Path) -> dict[str, Sounds]:
    """Returns {split: its sounds} if the folders are splits that hold the classes, or {}."""
    folders = {path.name.lower(): path for path in _list_folders(root)}
    train = [name for name in folders if name in TRAIN_NAMES]
    others = [name for name in folders if name in HELD_OUT_NAMES]
    if len(train) != 1 or not others or len(folders) > 1 + len(others):
        return {}
    splits = {TRAIN: folders[train[0]]} | {name: folders[name] for name in others}
    found = {name: _find_sounds_by_class(folder, root) for name, folder in splits.items()}
    shared = [{*found[TRAIN]} & {*found[name]} for name in others]
    return {name: sounds for name, sounds in found.items() if sounds} if any(shared) else {}


def _use_splits(root: Path, given: Mapping[str, Sounds]) -> tuple[tuple[str, ...], dict]:
    """Returns the classes and the splits as they are given."""
    _check_classes(root, given[TRAIN])
    classes = tuple(given[TRAIN])
    for split, sounds_by_class in given.items():
        for name in sounds_by_class:
            if name not in classes:
                raise UserError(
                    f"{split} has a class {name}, which is not among those that are trained on: "
                    f"{', '.join(classes)}"
                )
    log.info("%s are splits, not classes, so --held_out is not used", ", ".join(given))
    return classes, {
        split: [
            LabelledSound(sound, classes.index(name))
            for name, sounds in sounds_by_class.items()
            for sound in sounds
        ]
        for split, sounds_by_class in given.items()
    }


def _check_classes(root, sounds_by_class):
    classes = list(sounds_by_class)
    if len(classes) >= 2:
        return
    hint = ""
    if len(classes) == 1:
        (below,) = (path for path in _list_folders(root) if printable_name(path.name) == classes[0])
        if len(_find_sounds_by_class(below, root)) > 1:
            hint = f"; did you mean --data_dir={below}?"
    raise UserError(
        f"{str(root)!r} must have folders with sounds for two or more classes, got {len(classes)}: "
        f"{', '.join(classes) or 'none'}{hint}"
    )


def _warn_of_common_folders(sounds_by_class: Sounds) -> None:
    """Warns if the folders of all classes have the same folders in them, as splits would."""
    inside = [
        {path.split("/")[1] for path in sounds if path.count("/") > 1}
        for sounds in sounds_by_class.values()
    ]
    if len(inside[0]) > 1 and all(names == inside[0] for names in inside):
        log.warning(
            "the folders of all classes, %s, have the same folders in them, %s: are those the "
            "classes?",
            ", ".join(sounds_by_class),
            ", ".join(sorted(inside[0])),
        )


def _find_sounds_by_class(folder: Path, root: Path) -> Sounds:
    """Returns the sounds of all classes in a folder that have sounds."""
    sounds_by_class: Sounds = {}
    for path in _list_folders(folder):
        files = sorted(_walk_sounds(path, outside=(root, folder)))
        if not files:
            continue
        name = printable_name(path.name)
        name = name if name.isprintable() else ascii(name)[1:-1]
        if name in sounds_by_class:
            raise UserError(f"two folders in {str(folder)!r} have the name {name}; rename one")
        sounds_by_class[name] = [file.relative_to(root).as_posix() for file in files]
    return sounds_by_class


def _list_folders(folder):
    """Lists the folders in a folder, and links to folders, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _walk_sounds(folder: Path, *, outside: tuple[Path, ...]) -> Iterator[Path]:
    """Yields the sounds in a folder and those below; each folder and each sound comes once.

    A link that leads to one of `outside`, which are above the folder, is not followed: the sounds
    there are of other classes.
    """
    seen = {os.path.realpath(path) for path in outside}
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen and Path(place) != folder:
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(files):
            path = Path(place, name)
            target = os.path.realpath(path)
            if is_sound(name) and path.is_file() and target not in seen:
                seen.add(target)
                yield path
