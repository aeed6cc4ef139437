"""The models by name: those that are shipped, and where to get the others."""

import math
import textwrap
from collections.abc import Sequence

import jax

from dreamsound_jax.networks.architectures import ARCHITECTURES
from dreamsound_jax.networks.card import read_card, read_entries
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import model_names, shipped

# Of a network with more classes than this, only the first ones are printed.
MANY_CLASSES = 60
FIRST_CLASSES = 20


def describe_models() -> str:
    """Returns what `--list_models` prints: each model, its classes, layers, and its place."""
    return "\n\n".join(_describe(shipped("checkpoints") / name) for name in model_names())


def join_names(names: Sequence[str]) -> str:
    """Returns a list of names in one line; names that contain commas are joined by semicolons."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _describe(folder):
    try:
        card = read_card(folder)
    except UserError as error:
        return f"{folder.name}\n  cannot be used: {error}"
    present = (folder / "weights").exists()
    place = f"checkpoint: {folder}" if present else f"no weights here: {card.weights_from}"
    layers, entries = card.architecture.layers, read_entries(folder)
    return "\n".join(
        [
            folder.name,
            f"  {len(card.classes)} classes:\n{_indent(_list_classes(card, folder))}",
            f"  {len(layers)} layers, shallow to deep:\n{_indent(join_names(layers))}",
            *([f"  license: {entries['license']}"] if "license" in entries else []),
            *([] if present else _describe_published(card, entries.get("source", {}))),
            f"  {place}",
        ]
    )


def _describe_published(card, source):
    """Returns a line on the published file of weights, if the card names one."""
    if "url" not in source:
        return []
    size = f"{source['bytes'] / 1e6:.0f} MB" if "bytes" in source else _estimate_size(card)
    return [f"  published file: {source['file']}, {size}, {source['url']}"]


def _estimate_size(card):
    """Says how large a file is of which only the network is known: its weights are in float32."""
    shapes = ARCHITECTURES[card.family].weight_shapes(len(card.classes), **card.size)
    numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    return f"about {4 * numbers / 1e6:.0f} MB"


def _list_classes(card, folder):
    if len(card.classes) <= MANY_CLASSES:
        return join_names(card.classes)
    first = join_names(card.classes[:FIRST_CLASSES])
    return f"{first}; and {len(card.classes) - FIRST_CLASSES} more, in {folder / 'card.json'}"


def _indent(text):
    return textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="    ")
