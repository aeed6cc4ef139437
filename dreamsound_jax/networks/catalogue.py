"""The models by name: those that are shipped, and where to get the others."""

import textwrap

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped


def model_names():
    """The names that `--model` takes: every folder of `checkpoints` with a card."""
    return sorted(card.parent.name for card in shipped("checkpoints").glob("*/card.json"))


def overview():
    """What `--list_models` prints: each model, its classes, and where it is or how to get it."""
    told = [_told(shipped("checkpoints") / name) for name in model_names()]
    return "\n\n".join([*told, "layers of each, shallow to deep:\n" + _indented(LAYERS)])


def _told(folder):
    try:
        card = read_card(folder)
    except UserError as error:
        return f"{folder.name}\n  cannot be used: {error}"
    there = (folder / "weights").exists()
    place = f"checkpoint: {folder}" if there else f"no weights here: {card.weights_from}"
    return f"{folder.name}\n  {len(card.classes)} classes:\n{_indented(card.classes)}\n  {place}"


def _indented(names):
    return textwrap.fill(", ".join(names), 96, initial_indent="    ", subsequent_indent="    ")
