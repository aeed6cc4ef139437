"""Trains a classifier of mel spectrograms, and writes it as a checkpoint to dream with.

    python scripts/train_classifier.py --dataset=folder --data_dir=my_sounds
    python scripts/train_classifier.py --dataset=urbansound8k --data_dir=UrbanSound8K --fold=10
    python scripts/train_classifier.py --dataset=fma-small --data_dir=fma
    python scripts/train_classifier.py --dataset=gm

The first reads a folder for each class; the last renders the data of the embedded network. A run
that is killed goes on where it was when the same command is given again. Needs
`pip install -e '.[train]'`.
"""

import re
import shlex
import sys
from pathlib import Path

import jax
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.vgg19 import smallest_side
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training import datasets, gm
from dreamsound_jax.training.loop import Recipe
from dreamsound_jax.training.run import Place, train_checkpoint

ROOT = Path(__file__).parent.parent
WINDOWS = "128x20,256x5"

_DATASET = flags.DEFINE_enum(
    "dataset",
    None,
    ["urbansound8k", "fma-small", "folder", "gm"],
    "what to train on",
    required=True,
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "the folder of the sounds; gm needs none")
_FOLD = flags.DEFINE_integer("fold", 10, "urbansound8k: the fold to hold out, 1 to 10")
_HELD_OUT = flags.DEFINE_float(
    "held_out", 0.1, "folder: the share of each class to hold out", 0.0, 0.9
)
_SOUNDFONT = flags.DEFINE_string("soundfont", None, "gm: an .sf2 file; by default FluidR3_GM")
_CLIPS = flags.DEFINE_integer("clips", 20000, "gm: clips to train on", 16)
_HELD_OUT_CLIPS = flags.DEFINE_integer("held_out_clips", 1600, "gm: in each held-out set", 16)
_OUTPUT = flags.DEFINE_string(
    "output", None, "the checkpoint's folder; by default checkpoints/gm or checkpoints/my-DATASET"
)
_CACHE = flags.DEFINE_string("cache", None, "where analysed sounds are kept")
_RESUME = flags.DEFINE_boolean("resume", True, "go on with a run that was killed")
_SAVE_EVERY = flags.DEFINE_integer("save_every", 200, "steps between two saves of the run", 1)
_TENSORBOARD = flags.DEFINE_string("tensorboard", None, "a folder for TensorBoard logs")
_WIDTH = flags.DEFINE_float("width", 0.25, "of VGG19's channels", 0.01, 4)
_HIDDEN = flags.DEFINE_integer("hidden", 256, "features of the two hidden layers", 1)
_WINDOWS = flags.DEFINE_list(
    "windows", None, f"frames seen of a clip x epochs; by default {WINDOWS}, for gm 64x5,128x2"
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", Recipe.batch_size, "clips in a step", 2)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", Recipe.learning_rate, "at its peak", 0.0)
_PRECISION = flags.DEFINE_enum(
    "precision", "auto", ["auto", "float32", "bfloat16"], "auto is bfloat16, but float32 on CPU"
)
_SEED = flags.DEFINE_integer("seed", 0, "of the data, the weights and the training", 0)

# How a run is kept and shown does not belong to the command that repeats it.
HOW = ("data_dir", "output", "cache", "resume", "save_every", "tensorboard")


def main():
    runtime.prepare(precision="float32")
    size = {"width": _WIDTH.value, "hidden": _HIDDEN.value}
    train_checkpoint(_dataset(), _recipe(), _place(), rebuild=_rebuild(), **size)


def _dataset():
    if _DATASET.value == "gm":
        counts = {"clips": _CLIPS.value, "held_out_clips": _HELD_OUT_CLIPS.value}
        return gm.dataset(**counts, seed=_SEED.value, soundfont=_SOUNDFONT.value)
    if _DATA_DIR.value is None:
        raise UserError(f"--dataset={_DATASET.value} needs --data_dir, the folder of its sounds")
    if _DATASET.value == "urbansound8k":
        return datasets.urbansound8k(_DATA_DIR.value, fold=_FOLD.value)
    if _DATASET.value == "fma-small":
        return datasets.fma_small(_DATA_DIR.value)
    return datasets.folder(_DATA_DIR.value, held_out=_HELD_OUT.value, seed=_SEED.value)


def _recipe():
    return Recipe(
        windows=_windows(),
        batch_size=_BATCH_SIZE.value,
        learning_rate=_LEARNING_RATE.value,
        precision=_precision(),
        seed=_SEED.value,
    )


def _windows():
    """The frames seen of a clip, for each epoch."""
    if _WINDOWS.value is None:
        return Recipe.windows if _DATASET.value == "gm" else _windows_of(WINDOWS.split(","))
    return _windows_of(_WINDOWS.value)


def _windows_of(items):
    least = smallest_side("output")
    found = [re.fullmatch(r"(\d+)(?:x(\d+))?", item) for item in items]
    if not found or not all(match and int(match[1]) >= least for match in found):
        given = ",".join(items)
        raise UserError(f"--windows={given}: frames, {least} or more, x epochs: 64x5,128x2")
    return tuple(int(match[1]) for match in found for _ in range(int(match[2] or 1)))


def _precision():
    if _PRECISION.value != "auto":
        return _PRECISION.value
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def _place():
    name = "gm" if _DATASET.value == "gm" else f"my-{_DATASET.value}"
    return Place(
        output=Path(_OUTPUT.value or ROOT / "checkpoints" / name).absolute(),
        cache=Path(_CACHE.value or Path(runtime.cache_folder()) / "mel"),
        resume=_RESUME.value,
        save_every=_SAVE_EVERY.value,
        tensorboard=_TENSORBOARD.value,
    )


def _rebuild():
    """The command that was given, without the places on this machine."""
    given = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    named = [flag for flag in given if not flag.using_default_value and flag.name not in HOW]
    return shlex.join(["python", "scripts/train_classifier.py", *(f.serialize() for f in named)])


if __name__ == "__main__":
    command_line.run(
        main, name="train_classifier", usage=__doc__, stopped="the same command goes on with it"
    )
