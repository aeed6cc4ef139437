"""One training run, from a data set to a checkpoint."""

import contextlib
import datetime
import importlib.metadata
import logging
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.training.batch_norm import VGG19BatchNorm, fold
from dreamsound_jax.training.confusion import picture
from dreamsound_jax.training.datasets import TRAIN
from dreamsound_jax.training.evaluate import confusion, shares
from dreamsound_jax.training.examples import grain_or_fail, load, statistics
from dreamsound_jax.training.follow import Follow
from dreamsound_jax.training.loop import train
from dreamsound_jax.weights.publish import check_place, publish

log = logging.getLogger(__name__)

COPIES = (
    7  # of the weights on disk: two states of the run, with two momenta each, and what comes out
)
QUICK = 320  # held-out clips measured after each epoch; all of them after the last


class Place(NamedTuple):
    """Where a run reads and writes, which does not change what comes out.

    Attributes:
      output: the checkpoint's folder. While it trains, the run is kept beside it.
      cache: the folder of analysed sounds.
      resume: whether to go on with a run that is found there.
      save_every: steps between two saves.
      tensorboard: a folder for TensorBoard logs, or None.
    """

    output: Path
    cache: Path
    resume: bool = True
    save_every: int = 200
    tensorboard: str | None = None

    @property
    def progress(self):
        """The folder of a run that is not finished."""
        return self.output.parent / f".{self.output.name}.training"


def train_checkpoint(dataset, recipe, place, *, width, hidden, rebuild):
    """Reads a data set, trains a VGG19, measures it, and writes a checkpoint.

    Args:
      dataset: a Dataset.
      recipe: a Recipe.
      place: a Place.
      width, hidden: the network's size.
      rebuild: the command that does it again, for the model card.

    Raises:
      UserError: there is nothing to train on, or no place to write to.
    """
    grain_or_fail()  # now, and not after an hour of analysing
    check_place(place.output, size=0)
    splits = load(dataset, place.cache)
    held_out = {split: splits[split] for split in dataset.held_out}
    mean, std = statistics(splits[TRAIN])
    log.info("%d clips to train on: mean %.4f dB, std %.4f dB", len(splits[TRAIN]), mean, std)
    card = Card(place.output.name, dataset.classes, mean, std, width, hidden)
    weights = sum(4 * leaf.size for leaf in jax.tree.leaves(loading.weight_shapes(card)))
    check_place(place.output, size=COPIES * weights)
    model = _train(splits, held_out, card, recipe, place)
    weights = jax.device_get(fold(model))
    counts = measure(weights, held_out, card)
    publish(
        place.output,
        weights.items(),
        _facts(card, dataset, splits, counts, recipe) | {"rebuild": rebuild, **_today()},
        size=sum(leaf.nbytes for leaf in jax.tree.leaves(weights)),
        pictures={"confusion.png": picture(counts, dataset.classes)},
    )
    shutil.rmtree(place.progress, ignore_errors=True)
    said = ", ".join(f"{split} {shares(found)[0]:.1%}" for split, found in counts.items())
    log.info("%s: %s; dream with --checkpoint=%s", card.name, said, place.output)


def _train(splits, held_out, card, recipe, place):
    if not place.resume:
        shutil.rmtree(place.progress, ignore_errors=True)
    few = {split: examples.sample(QUICK) for split, examples in held_out.items()}

    def measure_few(weights):
        return {split: shares(counts)[0] for split, counts in measure(weights, few, card).items()}

    follow = Follow(
        place.progress,
        facts={"card": asdict(card), "recipe": asdict(recipe), "clips": _sizes(splits)},
        steps=len(splits[TRAIN]) // recipe.batch_size * len(recipe.windows),
        save_every=place.save_every,
        board=place.tensorboard,
        measure=measure_few,
    )
    size = {"width": card.width, "hidden": card.hidden}
    untrained = VGG19BatchNorm(len(card.classes), rngs=nnx.Rngs(recipe.seed), **size)
    standard = {"mean": card.mean, "std": card.std}
    with contextlib.closing(follow):
        return train(untrained, splits[TRAIN], recipe=recipe, follow=follow, **standard)


def measure(weights, held_out, card):
    """{split: confusion matrix} of the plain network with these weights."""
    network = loading.network_from(card, weights)
    options = {"mean": card.mean, "std": card.std, "classes": len(card.classes)}
    return {split: confusion(network, clips, **options) for split, clips in held_out.items()}


def _sizes(splits):
    return {split: len(examples) for split, examples in splits.items()}


def _facts(card, dataset, splits, counts, recipe):
    """The card as JSON types: the network, where it comes from, and how good it is."""
    sizes = ", ".join(f"{split} {size}" for split, size in _sizes(splits).items())
    epochs = {window: recipe.windows.count(window) for window in dict.fromkeys(recipe.windows)}
    told = ", ".join(f"{epochs[window]} of {window} frames" for window in epochs)
    of_classes = {split: shares(found) for split, found in counts.items()}
    network = {name: fact for name, fact in asdict(card).items() if name != "weights_from"}
    return network | {
        "description": dataset.description,
        "source": {**dataset.facts, "clips": sizes, "epochs": told, "precision": recipe.precision},
        "license": dataset.license,
        "accuracy": {split: share for split, (share, _) in of_classes.items()},
        "per_class": {
            name: {split: _known(each[label]) for split, (_, each) in of_classes.items()}
            for label, name in enumerate(card.classes)
        },
        "rebuild_needs": dataset.needs,
    }


def _known(share):
    return None if math.isnan(share) else float(share)


def _today():
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}
    return {"date": datetime.date.today().isoformat(), "versions": versions}
