"""Loads the networks that dream and those that judge, and keeps them apart."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.networks.loading import Model, find_checkpoint, load_model
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from studies.heard.families import FEWEST, find_outputs


class Named(NamedTuple):
    """A network of the study.

    Attributes:
      label: What tables call it.
      folder: Of its card.
      model: The network and its card.
      outputs: {class of the study: the network's outputs that stand for it}.
      digest: Of its weights.
    """

    label: str
    folder: Path
    model: Model
    outputs: dict[str, tuple[int, ...]]
    digest: str


def load(names: Sequence[str], labels: Sequence[str] = ()) -> list[Named]:
    """Loads networks.

    Args:
      names: Of models, or folders with a card.
      labels: What tables call them; by default the names on their cards.

    Raises:
      UserError: A network cannot be loaded, or there are other labels than networks, or two
        networks have one label.
    """
    if labels and len(labels) != len(names):
        raise UserError(
            f"--label must be given once for each --model, {len(names)} times, and is given "
            f"{len(labels)} times"
        )
    folders = [find_checkpoint(name) for name in names]
    models = [load_model(checkpoint=folder) for folder in folders]
    called = list(labels) or [model.card.name for model in models]
    twice = [label for label in called if called.count(label) > 1]
    if twice:
        raise UserError(f"{twice[0]!r} must be the name of one network only: give each a --label")
    return [
        Named(label, folder, model, find_outputs(model.card), _digest(model))
        for label, folder, model in zip(called, folders, models)
    ]


def choose_classes(dreamer: Named, asked: Sequence[str]) -> list[str]:
    """Returns the classes that a network dreams towards: those asked for, or all that it has.

    Raises:
      UserError: It has no such class.
    """
    known = tuple(dreamer.outputs)
    return list(dict.fromkeys(nearest_or_fail("class", name, known) for name in asked or known))


def check_judges(dreamers: Sequence[Named], judges: Sequence[Named]) -> None:
    """Checks that no network judges its own dreams, and that judges know what is dreamed of.

    Raises:
      UserError: A judge has the weights of a network that dreams, under whatever name, or knows
        fewer than two of its classes; or there is no judge.
    """
    if not judges:
        raise UserError("--judges must name at least one network that does not dream, got none")
    for judge in judges:
        for dreamer in dreamers:
            if judge.digest == dreamer.digest:
                raise UserError(
                    f"--judges must be networks that do not dream, and {judge.label} has the same "
                    f"weights as {dreamer.label}, which dreams: a network never judges its own "
                    "dreams"
                )
            shared = set(judge.outputs) & set(dreamer.outputs)
            if len(shared) < FEWEST:
                raise UserError(
                    f"the judge {judge.label} must know at least {FEWEST} of the classes of "
                    f"{dreamer.label}, and knows {len(shared)}"
                )


def _digest(model):
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(model.network):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
