"""Trains a classifier of mel spectrograms, and writes it as a checkpoint to dream with.

    python scripts/train_classifier.py --dataset=folder --data_dir=my_sounds
    python scripts/train_classifier.py --dataset=urbansound8k --data_dir=UrbanSound8K --fold=10
    python scripts/train_classifier.py --dataset=fma-small --data_dir=fma
    python scripts/train_classifier.py --dataset=gm

The first command trains on your own sounds, in one folder for each class. The last one renders the
data set of the included network. To resume a run that was interrupted, give the same command again.
Training needs `pip install -e '.[train]'`.
"""

import shlex
import sys
from pathlib import Path

import jax
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.card import VGG19
from dreamsound_jax.networks.loading import find_checkpoint, load_model
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.front_end_constants import (
    FRONT_END_HELP,
    changed_constants,
    format_front_end,
    parse_front_end,
)
from dreamsound_jax.system import runtime
from dreamsound_jax.system.cache import user_cache_folder
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.batch_norm import TRAINABLE
from dreamsound_jax.training.datasets import class_folders, general_midi, public_datasets
from dreamsound_jax.training.datasets.soundfont import DEFAULT_SOUNDFONT
from dreamsound_jax.training.pipeline import RunStorage, train_checkpoint
from dreamsound_jax.training.recipe import Recipe, parse_windows
from studies.paths import define_path

ROOT = Path(__file__).parent.parent
DEFAULT_WINDOWS = "128x20,256x5"

_DATASET = flags.DEFINE_enum(
    "dataset",
    None,
    ["urbansound8k", "fma-small", "folder", "gm"],
    "the data set to train on",
    required=True,
)
_DATA_DIR = define_path("data_dir", None, "the folder of the sounds; not used for gm")
_FOLD = flags.DEFINE_integer("fold", 10, "urbansound8k: the official fold to hold out, 1 to 10")
_HELD_OUT = flags.DEFINE_float(
    "held_out", 0.1, "folder: the share of each class to hold out", 0.0, 0.9
)
_SOUNDFONTS = flags.DEFINE_list(
    "soundfonts",
    DEFAULT_SOUNDFONT,
    "gm: the soundfonts to train with: .sf2 or .sf3 files, or the names of installed ones",
)
_HELD_OUT_SOUNDFONTS = flags.DEFINE_list(
    "held_out_soundfonts",
    [],
    "gm: soundfonts that are never trained with; the accuracy on each is reported",
)
_RECORDED = flags.DEFINE_enum(
    "recorded",
    general_midi.PLAIN,
    list(general_midi.CONDITIONS),
    "gm: the conditions in which clips to train on are recorded; wide adds equalisers, other "
    "speeds, narrow bands, coloured noise, and other instruments that play along softly",
)
_CLIPS = flags.DEFINE_integer("clips", 20000, "gm: number of clips to train on", 16)
_HELD_OUT_CLIPS = flags.DEFINE_integer(
    "held_out_clips", 1600, "gm: number of clips in each held-out set", 16
)
_OUTPUT = define_path(
    "output",
    None,
    "the folder to write the checkpoint to; by default checkpoints/gm or checkpoints/my-DATASET",
)
_CACHE = define_path(
    "cache", None, "the folder to keep analysed sounds in; by default in the user's cache folder"
)
_RESUME = flags.DEFINE_boolean("resume", True, "resume a run that was interrupted")
_SAVE_EVERY = flags.DEFINE_integer(
    "save_every", 200, "number of training steps between two saves of the run", 1
)
_TENSORBOARD = define_path("tensorboard", None, "a folder to write TensorBoard logs to")
_FRONT_END = flags.DEFINE_string("front_end", None, FRONT_END_HELP)
_ARCHITECTURE = flags.DEFINE_enum(
    "architecture", VGG19, list(TRAINABLE), "the architecture of the network"
)
_CHANNELS = flags.DEFINE_list(
    "channels", ["32", "64", "128", "256"], "panns: number of channels of each block"
)
_WIDTH = flags.DEFINE_float(
    "width", 0.25, "vgg19: multiplies the number of channels of each convolution of VGG19", 0.01, 4
)
_HIDDEN = flags.DEFINE_integer(
    "hidden", 256, "vgg19: number of features of the two hidden layers", 1
)
_WINDOWS = flags.DEFINE_list(
    "windows",
    None,
    "list of FRAMESxEPOCHS: how many frames of each clip the network sees, and for how many "
    f"epochs; by default {DEFAULT_WINDOWS}, and 64x5,128x2 for gm",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", Recipe.batch_size, "number of clips in a training step", 2
)
_LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", Recipe.learning_rate, "learning rate at its peak", 0.0
)
_START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "name or folder of a trained VGG19 of the same classes, whose training is continued, without "
    "batch norms; its size and front end are kept",
)
_ADVERSARIAL = flags.DEFINE_float(
    "adversarial",
    0.0,
    "trains on adversarial changes of the clips of this size, RMS in standard deviations of a "
    "spectrogram's cells, such as 0.03; others hear the class of the network's dreams more often",
    0.0,
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "bfloat16"],
    "the network's arithmetic; auto is float32 on CPU and bfloat16 elsewhere",
)
_SEED = flags.DEFINE_integer("seed", 0, "seed of the data, the initial weights and the training", 0)

# These flags do not affect the result, so the command in the model card leaves them out.
STORAGE_FLAGS = ("data_dir", "output", "cache", "resume", "save_every", "tensorboard")


def main():
    runtime.prepare(precision="float32")
    text = _FRONT_END.value
    front_end = FrontEnd() if text is None else FrontEnd(**parse_front_end(text))
    train_checkpoint(
        _make_dataset(),
        _make_recipe(),
        _make_storage(),
        front_end=front_end,
        family=_ARCHITECTURE.value,
        size=_make_size(front_end),
        start=_load_start(),
        command=_command(front_end),
    )


def _make_dataset():
    if _DATASET.value == "gm":
        return general_midi.make_dataset(
            clips=_CLIPS.value,
            held_out_clips=_HELD_OUT_CLIPS.value,
            seed=_SEED.value,
            soundfonts=_SOUNDFONTS.value,
            held_out_soundfonts=_HELD_OUT_SOUNDFONTS.value,
            recorded=_RECORDED.value,
        )
    data_dir = _DATA_DIR.value
    if data_dir is None:
        raise UserError(f"--dataset={_DATASET.value} needs --data_dir, the folder of its sounds")
    if _DATASET.value == "urbansound8k":
        return public_datasets.find_urbansound8k(data_dir, fold=_FOLD.value)
    if _DATASET.value == "fma-small":
        return public_datasets.find_fma_small(data_dir)
    return class_folders.find_class_folders(data_dir, held_out=_HELD_OUT.value, seed=_SEED.value)


def _load_start():
    name = _START_FROM.value
    if name is None:
        return None
    for flag in ("front_end", "architecture", "channels", "width", "hidden"):
        if not flags.FLAGS[flag].using_default_value:
            raise UserError(f"--{flag} must not be given with --start_from, whose own is kept")
    return load_model(checkpoint=find_checkpoint(name))


def _make_size(front_end):
    """Returns what the architecture needs to know besides the number of classes."""
    if _ARCHITECTURE.value == VGG19:
        return {"width": _WIDTH.value, "hidden": _HIDDEN.value}
    wrong = [text for text in _CHANNELS.value if not (text.isdecimal() and int(text))]
    if wrong or not _CHANNELS.value:
        raise UserError(
            "--channels must be a list of whole numbers above 0, such as 32,64,128,256, got "
            f"{','.join(_CHANNELS.value)}"
        )
    channels = [int(text) for text in _CHANNELS.value]
    size = {"channels": channels, "pools": len(channels), "multi_label": False}
    return size | {"bands": front_end.n_mels}


def _make_recipe():
    return Recipe(
        windows=_choose_windows(),
        batch_size=_BATCH_SIZE.value,
        learning_rate=_LEARNING_RATE.value,
        adversarial=_ADVERSARIAL.value,
        precision=_choose_precision(),
        seed=_SEED.value,
    )


def _choose_windows():
    """Returns the number of frames of each epoch."""
    if _WINDOWS.value is not None:
        return parse_windows(_WINDOWS.value)
    return Recipe.windows if _DATASET.value == "gm" else parse_windows(DEFAULT_WINDOWS.split(","))


def _choose_precision():
    if _PRECISION.value != "auto":
        return _PRECISION.value
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def _make_storage():
    name = "gm" if _DATASET.value == "gm" else f"my-{_DATASET.value}"
    return RunStorage(
        output=Path(_OUTPUT.value or ROOT / "checkpoints" / name).absolute(),
        cache=Path(_CACHE.value or user_cache_folder() / "training"),
        resume=_RESUME.value,
        save_every=_SAVE_EVERY.value,
        tensorboard=_TENSORBOARD.value,
    )


def _command(front_end):
    """Returns the command that was given, without the folders and files of this machine."""
    given = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    chosen = [
        flag.serialize()
        for flag in given
        if not flag.using_default_value and flag.name not in (*STORAGE_FLAGS, "front_end")
    ]
    if constants := changed_constants(front_end):
        chosen.append(f"--front_end={format_front_end(constants)}")
    return shlex.join(["python", "scripts/train_classifier.py", *chosen])


if __name__ == "__main__":
    command_line.run(
        main,
        name="train_classifier",
        usage=__doc__,
        stopped="give the same command again to resume",
    )
