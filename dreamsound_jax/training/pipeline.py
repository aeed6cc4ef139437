"""Trains a checkpoint: from a data set to the weights, the model card and the confusion matrix."""

import contextlib
import dataclasses
import datetime
import functools
import importlib.metadata
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from dreamsound_jax.networks import loading, vgg19
from dreamsound_jax.networks.card import VGG19, Card
from dreamsound_jax.networks.catalogue import join_names
from dreamsound_jax.networks.compressed import CompressedNetwork
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError, describe_error
from dreamsound_jax.system.storage import write_whole
from dreamsound_jax.training.batch_norm import TRAINABLE, fold_batch_norms
from dreamsound_jax.training.confusion_plot import draw_confusion_matrices
from dreamsound_jax.training.datasets.dataset import TRAIN, Dataset
from dreamsound_jax.training.evaluate import compute_accuracy, count_confusions
from dreamsound_jax.training.examples import (
    Examples,
    import_grain,
    load_examples,
    measure_statistics,
)
from dreamsound_jax.training.loop import train
from dreamsound_jax.training.monitor import TrainingMonitor
from dreamsound_jax.training.recipe import Recipe
from dreamsound_jax.weights.checkpoint import check_destination, write_checkpoint

DEFAULT_FRONT_END = FrontEnd()  # That of the 2021 reference.
log = logging.getLogger(__name__)

# Two saved states of the run need three times the weights each, and the checkpoint needs them once.
WEIGHT_COPIES_ON_DISK = 7
CONFUSION = "confusion.png"
ADVERSARIAL = "under adversarial changes"  # Is added to a split's name.
ROBUST_EVALUATION_CLIPS = 64
QUICK_EVALUATION_CLIPS = 320  # After each epoch; after the last one, all held-out clips are used.


class RunStorage(NamedTuple):
    """Where a training run reads and writes, which does not affect its result.

    Attributes:
      output: the checkpoint's folder. Unfinished runs are saved beside it.
      cache: the folder of all caches of analysed sounds.
      resume: whether to resume a saved run.
      save_every: the number of steps between two saves.
      tensorboard: a folder for TensorBoard logs, or None.
    """

    output: Path
    cache: Path
    resume: bool = True
    save_every: int = 200
    tensorboard: str | None = None

    @property
    def state_folder(self) -> Path:
        """The folder in which an unfinished run is saved."""
        return self.output.parent / f".{self.output.name}.training"


def train_checkpoint(
    dataset: Dataset,
    recipe: Recipe,
    storage: RunStorage,
    *,
    front_end: FrontEnd = DEFAULT_FRONT_END,
    size: Mapping[str, Any],
    family: str = VGG19,
    start: Model | None = None,
    command: str,
) -> None:
    """Loads a data set, trains a network, evaluates it, and writes a checkpoint.

    Args:
      dataset: the data set.
      recipe: the settings of the training.
      storage: where the run reads and writes.
      front_end: the analysis of the sounds; its statistics are measured.
      size: what the architecture needs to know besides the number of classes; of VGG19 `width` and
        `hidden`.
      family: the name of the architecture, one of `TRAINABLE`.
      start: a trained VGG19, whose training is continued without batch norms. Its front end, with
        its statistics, and its size take the place of those given.
      command: the command that repeats the run, for the model card.

    Raises:
      UserError: the data set cannot be used, or a folder cannot be written.
    """
    import_grain()  # If it is missing, the user should know before an hour of analysis.
    check_destination(storage.output, size=0)
    card = Card(storage.output.name, dataset.classes, front_end, family=family, size=dict(size))
    if start:
        card = _continue_card(card, start.card)
    splits = load_examples(dataset, storage.cache, front_end=card.front_end)
    if not start:
        measured = measure_statistics(splits[TRAIN], card.front_end)
        card = dataclasses.replace(card, front_end=measured)
    statistics = len(splits[TRAIN]), card.front_end.mean, card.front_end.std
    log.info("%d clips to train on: mean %.4f dB, std %.4f dB", *statistics)
    weight_bytes = sum(4 * leaf.size for leaf in jax.tree.leaves(loading.weight_shapes(card)))
    check_destination(storage.output, size=WEIGHT_COPIES_ON_DISK * weight_bytes)
    held_out = {split: splits[split] for split in dataset.held_out}
    weights = jax.device_get(
        fold_batch_norms(_train(splits, held_out, card, recipe, storage, start))
    )
    counts = evaluate_splits(weights, held_out, card)
    entries = _make_card_entries(card, dataset, splits, counts, recipe, start)
    if recipe.adversarial:
        entries["robust_accuracy"] = evaluate_robustness(
            weights, held_out, card, recipe, clips=QUICK_EVALUATION_CLIPS
        )
    write_checkpoint(
        storage.output,
        weights.items(),
        entries | {"rebuild": command} | _describe_today(),
        size=sum(leaf.nbytes for leaf in jax.tree.leaves(weights)),
    )
    # The network is safe before anything is drawn.
    add_picture(storage.output / CONFUSION, counts, dataset.classes)
    shutil.rmtree(storage.state_folder, ignore_errors=True)
    accuracies = {split: compute_accuracy(found)[0] for split, found in counts.items()}
    text = ", ".join(f"{split} {accuracy:.1%}" for split, accuracy in accuracies.items())
    log.info("wrote %s: accuracy on %s", storage.output, text)
    log.info("use it with --checkpoint=%s", storage.output)


def add_picture(path: Path, counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> None:
    """Adds the picture of the confusion matrices to a checkpoint; a warning says why it cannot."""
    try:
        write_whole(path, draw_confusion_matrices(counts, classes))
    except Exception as error:  # A picture must not cost a network, whatever is wrong with it.
        log.warning("the picture %s could not be made: %s", path, describe_error(error))


def evaluate_splits(
    weights: Mapping[str, Any], held_out: Mapping[str, Examples], card: Card, **options: Any
) -> dict[str, np.ndarray]:
    """Computes {split: confusion matrix (classes, classes)} of the plain network with `weights`.

    `options` are those of `count_confusions`.
    """
    network = loading.build_network(card, weights)
    count = functools.partial(
        count_confusions, network, front_end=card.front_end, num_classes=len(card.classes)
    )
    return {split: count(clips, **options) for split, clips in held_out.items()}


def evaluate_robustness(
    weights: Mapping[str, Any],
    held_out: Mapping[str, Examples],
    card: Card,
    recipe: Recipe,
    *,
    clips: int,
) -> dict[str, float]:
    """Computes {split: accuracy} on so many clips of each, changed as far as `recipe` says.

    They are cut to windows of its last epoch, since each takes several gradients.
    """
    few = {split: examples.select_evenly(clips) for split, examples in held_out.items()}
    options = {"window": recipe.windows[-1], "adversarial": recipe.adversarial}
    counts = evaluate_splits(weights, few, card, **options)
    return {split: compute_accuracy(matrix)[0] for split, matrix in counts.items()}


def _continue_card(card, started):
    """Returns the card of a network whose training is continued."""
    if started.family != VGG19:
        raise UserError(f"--start_from must be a VGG19, such as gm, and {started.name} is none")
    if started.classes != card.classes:
        wanted, got = join_names(card.classes), join_names(started.classes)
        raise UserError(
            f"the classes of {started.name} must be those of the data set, {wanted}, got {got}"
        )
    return dataclasses.replace(started, name=card.name)


def _make_untrained(card, recipe, start):
    """Makes the network that is trained: with batch norms, or with the weights of `start`."""
    rngs = nnx.Rngs(recipe.seed)
    if start is None:
        return TRAINABLE[card.family](len(card.classes), rngs=rngs, **card.size)
    model = vgg19.VGG19(len(card.classes), rngs=rngs, **card.size)
    network = start.network
    # The training compresses the spectrograms itself.
    plain = network.network if isinstance(network, CompressedNetwork) else network
    nnx.update(model, nnx.filter_state(plain.weights, nnx.Param))
    return model


def _train(splits, held_out, card, recipe, storage, start):
    """Trains the network, or resumes its training, and returns it with its batch norms."""
    if not storage.resume:
        shutil.rmtree(storage.state_folder, ignore_errors=True)
    few = {
        split: examples.select_evenly(QUICK_EVALUATION_CLIPS)
        for split, examples in held_out.items()
    }

    robust_before: list[float] = []

    def evaluate(weights):
        counts = evaluate_splits(weights, few, card)
        found = {split: compute_accuracy(matrix)[0] for split, matrix in counts.items()}
        if not recipe.adversarial:
            return found
        robust = evaluate_robustness(weights, held_out, card, recipe, clips=ROBUST_EVALUATION_CLIPS)
        robust_before.append(float(np.mean(list(robust.values()))))
        check_robustness(robust_before, chance=1 / len(card.classes))
        return found | {f"{split} {ADVERSARIAL}": each for split, each in robust.items()}

    monitor = TrainingMonitor(
        storage.state_folder,
        settings={"card": card.entries(), "recipe": asdict(recipe), "clips": _count_clips(splits)},
        steps=len(splits[TRAIN]) // recipe.batch_size * len(recipe.windows),
        save_every=storage.save_every,
        tensorboard=storage.tensorboard,
        evaluate=evaluate,
    )
    untrained = _make_untrained(card, recipe, start)
    options = {"front_end": card.front_end, "recipe": recipe, "monitor": monitor}
    with contextlib.closing(monitor):
        return train(untrained, splits[TRAIN], **options)


def check_robustness(accuracies: Sequence[float], *, chance: float) -> None:
    """Stops a training whose accuracies under adversarial changes, one an epoch, have collapsed.

    Training by single steps can suddenly end in a network that resists these steps alone.

    Raises:
      UserError: the last accuracy is under half of the best, which was well above chance.
    """
    if max(accuracies) > 2 * chance and accuracies[-1] < max(accuracies) / 2:
        raise UserError(
            f"the accuracy under adversarial changes fell from {max(accuracies):.1%} to "
            f"{accuracies[-1]:.1%}: the training has collapsed; choose a smaller --adversarial or "
            "--learning_rate"
        )


def _count_clips(splits):
    return {split: len(examples) for split, examples in splits.items()}


def _make_card_entries(card, dataset, splits, counts, recipe, start):
    """Returns the model card's entries, as JSON types: the network, its origin, its accuracy."""
    clips = ", ".join(f"{split} {count}" for split, count in _count_clips(splits).items())
    epochs = ", ".join(
        f"{recipe.windows.count(window)} of {window} frames"
        for window in dict.fromkeys(recipe.windows)
    )
    accuracies = {split: compute_accuracy(matrix) for split, matrix in counts.items()}
    return card.entries() | {
        "description": dataset.description,
        "source": {
            **({"start": f"{start.card.name}, whose training was continued"} if start else {}),
            **dataset.source,
            "clips": clips,
            "epochs": epochs,
            "precision": recipe.precision,
            **({"adversarial": f"{recipe.adversarial:g}"} if recipe.adversarial else {}),
        },
        "license": dataset.license,
        "accuracy": {split: accuracy for split, (accuracy, _) in accuracies.items()},
        "per_class": {
            name: {
                split: None if math.isnan(of_class[label]) else float(of_class[label])
                for split, (_, of_class) in accuracies.items()
            }
            for label, name in enumerate(card.classes)
        },
        "rebuild_needs": dataset.rebuild_needs,
    }


def _describe_today():
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}
    return {"date": datetime.date.today().isoformat(), "versions": versions}
