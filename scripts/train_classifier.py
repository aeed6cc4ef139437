"""Trains a classifier of mel spectrograms and writes it as a checkpoint to dream with.

    python scripts/train_classifier.py --dataset=gm --output=checkpoints/gm

renders the General MIDI data set (once; it is kept in --cache) and trains the embedded network.
The checkpoint is written anew after every epoch, so that a run that is cut short leaves one.
"""

import datetime
import importlib.metadata
import logging
import pathlib
import shlex
import sys

from absl import app, flags
from flax import nnx

from dreamsound_jax import models, runtime
from dreamsound_jax.errors import UserError
from dreamsound_jax.training import gm
from dreamsound_jax.training.batch_norm import VGG19BatchNorm, fold
from dreamsound_jax.training.examples import statistics
from dreamsound_jax.training.loop import Recipe, accuracy, train
from dreamsound_jax.training.publish import publish
from dreamsound_jax.vgg19 import smallest_side

LOG = logging.getLogger("dreamsound_jax.train_classifier")
HELD_OUT = gm.SPLITS[1:]
QUICK = 320  # held-out clips measured after each epoch; all of them after the last

_DATASET = flags.DEFINE_enum("dataset", "gm", ["gm"], "What to train on.")
_OUTPUT = flags.DEFINE_string("output", "checkpoints/gm", "The folder of the checkpoint.")
_CACHE = flags.DEFINE_string(
    "cache", str(pathlib.Path.home() / ".cache/dreamsound/gm"), "Where rendered clips are kept."
)
_SOUNDFONT = flags.DEFINE_string("soundfont", None, "An .sf2 file; by default FluidR3_GM.")
_CLIPS = flags.DEFINE_integer("clips", 20000, "Clips to train on.", 16)
_HELD_OUT_CLIPS = flags.DEFINE_integer("held_out_clips", 1600, "In each held-out set.", 16)
_WIDTH = flags.DEFINE_float("width", 0.25, "Of VGG19's channels.", 0.01)
_HIDDEN = flags.DEFINE_integer("hidden", 256, "Features of the two hidden layers.", 1)
_WINDOWS = flags.DEFINE_list(
    "windows", [str(window) for window in Recipe.windows], "Frames seen of a clip, for each epoch."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", Recipe.batch_size, "Clips in a step.", 2)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", Recipe.learning_rate, "At its peak.", 0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the clips, the weights and the training.", 0)


def main(argv):
    try:
        if argv[1:]:
            raise UserError(f"unexpected arguments: {' '.join(argv[1:])}; options start with --")
        runtime.prepare(precision="float32")
        run(recipe())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def recipe():
    """The Recipe that the flags ask for."""
    least = smallest_side("output")
    fit = [window.isdigit() and int(window) >= least for window in _WINDOWS.value]
    if not fit or not all(fit):
        given = ",".join(_WINDOWS.value)
        raise UserError(f"--windows={given}: frames, {least} or more, for each epoch: 64,64,128")
    return Recipe(
        windows=tuple(map(int, _WINDOWS.value)),
        batch_size=_BATCH_SIZE.value,
        learning_rate=_LEARNING_RATE.value,
    )


def run(recipe):
    """Loads, trains, measures and writes."""
    examples = load("train", _CLIPS.value)
    held_out = {split: load(split, _HELD_OUT_CLIPS.value) for split in HELD_OUT}
    mean, std = statistics(examples.mel_db)
    LOG.info("%d clips, mean %.4f dB, standard deviation %.4f dB", len(examples), mean, std)

    def save(epoch, model):
        last, weights = epoch == len(recipe.windows), fold(model)
        measured = {s: clips if last else clips.first(QUICK) for s, clips in held_out.items()}
        facts = network_facts(mean, std)
        shares = measure(weights, measured, facts)
        publish(_OUTPUT.value, weights, facts | run_facts(shares, epoch, measured))

    options = {"mean": mean, "std": std, "recipe": recipe, "seed": _SEED.value}
    train(untrained(), examples, after_epoch=save, **options)


def load(split, count):
    """The clips of one split, as Examples."""
    options = {"cache": _CACHE.value, "soundfont": _SOUNDFONT.value}
    return gm.load_split(split=split, seed=_SEED.value, count=count, **options)


def untrained():
    """The network to train, of the size that the flags ask for."""
    size = {"width": _WIDTH.value, "hidden": _HIDDEN.value}
    return VGG19BatchNorm(len(gm.FAMILIES), rngs=nnx.Rngs(_SEED.value), **size)


def measure(weights, held_out, facts):
    """{split: (accuracy, accuracies of the classes)} of the plain network with these weights."""
    card = models.Card(**facts)
    network, standard = models.network_from(card, weights), {"mean": card.mean, "std": card.std}
    shares = {split: accuracy(network, clips, **standard) for split, clips in held_out.items()}
    LOG.info("held out: %s", {split: round(share, 4) for split, (share, _) in shares.items()})
    return shares


def network_facts(mean, std):
    """The part of the card that dreaming needs: the fields of `models.Card`."""
    return {
        "name": pathlib.Path(_OUTPUT.value).name,
        "classes": list(gm.FAMILIES),
        "mean": mean,
        "std": std,
        "width": _WIDTH.value,
        "hidden": _HIDDEN.value,
    }


def run_facts(shares, epoch, held_out):
    """The rest of the card: where the network comes from, and how good it is."""
    counts = [len(held_out[split]) for split in HELD_OUT]
    names = ("jax", "flax", "optax", "tinysoundfont")
    return {
        "description": "Names the General MIDI instrument family that plays a phrase.",
        "source": {
            "soundfont": _SOUNDFONT.value or "FluidR3_GM (MIT)",
            "training_clips": _CLIPS.value,
            "seconds_per_clip": round(gm.CLIP_SAMPLES / gm.SAMPLE_RATE, 2),
            "epochs": f"{epoch} of {len(_WINDOWS.value)}",
            "held_out_phrases": f"{counts[0]} clips, other phrases on the programs trained on",
            "held_out_instruments": f"{counts[1]} clips on the second program of each family, "
            "which is never trained on",
        },
        "license": "MIT",
        "accuracy": {split: share for split, (share, _) in shares.items()},
        "per_class": {
            name: {split: of_classes[label] for split, (_, of_classes) in shares.items()}
            for label, name in enumerate(gm.FAMILIES)
        },
        "rebuild": rebuild(),
        "date": datetime.date.today().isoformat(),
        "versions": {name: importlib.metadata.version(name) for name in names},
    }


def rebuild():
    """The command that was given, but for the place of the cache."""
    given = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    named = [f for f in given if not f.using_default_value and f.name != _CACHE.name]
    return shlex.join(["python", "scripts/train_classifier.py", *(f.serialize() for f in named)])


if __name__ == "__main__":
    app.run(main)
