"""The models by name: those that are shipped, and where to get the others."""

import textwrap

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped


def model_names() -> list[str]:
    """Returns the names that `--model` takes: every folder of `checkpoints` with a card."""
    return sorted(card.parent.name for card in shipped("checkpoints").glob("*/card.json"))


def describe_models() -> str:
    """Returns what `--list_models` prints: each model, its classes, layers, and its place."""
    return "\n\n".join(_describe(shipped("checkpoints") / name) for name in model_names())


def _describe(folder):
    try:
        card = read_card(folder)
    except UserError as error:
        return f"{folder.name}\n  cannot be used: {error}"
    present = (folder / "weights").exists()
    place = f"checkpoint: {folder}" if present else f"no weights here: {card.weights_from}"
    layers = card.architecture.layers
    return "\n".join(
        [
            folder.name,
            f"  {len(card.classes)} classes:\n{_indent(card.classes)}",
            f"  {len(layers)} layers, shallow to deep:\n{_indent(layers)}",
            f"  {place}",
        ]
    )


def _indent(names):
    return textwrap.fill(", ".join(names), 96, initial_indent="    ", subsequent_indent="    ")
