"""A data set of your own sounds, in one folder for each class."""

import os
from pathlib import Path

import numpy as np

from dreamsound_jax.audio.find import is_sound
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.dataset import (
    TRAIN,
    Dataset,
    LabelledSound,
    make_file_dataset,
)

HELD_OUT = "held_out"


def find_class_folders(data_dir: str | os.PathLike, *, held_out: float, seed: int) -> Dataset:
    """Finds sounds that are sorted into one folder for each class, or its subfolders.

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
    sounds_by_class = _find_sounds_by_class(root)
    classes = tuple(sounds_by_class)
    if len(classes) < 2:
        raise UserError(
            f"{str(data_dir)!r} must have folders with sounds for two or more classes, got "
            f"{len(classes)}: {', '.join(classes) or 'none'}"
        )
    splits: dict[str, list[LabelledSound]] = {TRAIN: [], HELD_OUT: []}
    rng = np.random.default_rng(seed)
    for label, (name, sounds) in enumerate(sounds_by_class.items()):
        if len(sounds) < 2:
            raise UserError(f"class {name} must have two or more sounds to hold one out, got one")
        shuffled = [LabelledSound(str(sound), label) for sound in rng.permutation(sounds)]
        count = max(1, round(held_out * len(sounds)))
        splits[HELD_OUT] += shuffled[:count]
        splits[TRAIN] += shuffled[count:]
    return make_file_dataset(
        data_dir,
        classes=classes,
        splits=splits,
        description="Names the class of a sound.",
        source={"data": f"the folders of {root.absolute().name}"},
    )


def _find_sounds_by_class(root):
    """Returns {class: paths of its sounds, relative to `root`} of all classes with sounds."""
    sounds_by_class = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            files = sorted(path for path in folder.rglob("*") if is_sound(path.name))
            sounds = [path.relative_to(root).as_posix() for path in files if path.is_file()]
            if sounds:
                sounds_by_class[folder.name] = sounds
    return sounds_by_class
