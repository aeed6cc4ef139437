"""The table of layers in a model card: names, how much of a sound each hears, what it dreams of."""

from collections.abc import Mapping
from typing import Any

from dreamsound_jax.networks.card import Card, card_from_entries
from dreamsound_jax.networks.network import Layer


def render_layers(entries: Mapping[str, Any]) -> str:
    """Renders the layers of a card's network, shallow to deep, as a section in Markdown.

    Args:
      entries: the card's, as JSON types. Its optional entry `layers` is {layer: what dreams by it
        sound like}.
    """
    card = card_from_entries(dict(entries), source="the card")
    described = entries.get("layers", {})
    header = ["layers", "hear at once", *(["dreams"] if described else [])]
    rows = [header, ["---"] * len(header)]
    for stage in card.architecture.stages:
        names = ", ".join(f"`{layer.name}`" for layer in stage)
        row = [names, _describe_span(card, stage[-1])]
        rows.append(row + [_describe_dreams(stage, described)] * bool(described))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    judged = (
        "\n\nWhat dreams are like is judged by pictures and numbers, not by ear."
        if described
        else ""
    )
    return f"""## Layers

Shallow to deep, as `--layers_to_use` takes them. Shallow layers hear moments, and deep ones what
moments add up to.{judged}

{table}"""


def _describe_span(card: Card, layer: Layer) -> str:
    """Says how much of a sound a cell of the deepest layer of a stage hears."""
    if layer.reach is None:
        return "the whole sound"
    front_end = card.front_end
    samples = 2 * layer.reach * front_end.hop + front_end.n_fft
    return f"up to {samples / front_end.sample_rate:.2g} s"


def _describe_dreams(stage: tuple[Layer, ...], described: Mapping[str, str]) -> str:
    found = (layer.name for layer in stage if layer.name in described)
    return "; ".join(f"`{name}`: {described[name]}" for name in found)
