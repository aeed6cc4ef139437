"""A layer or a class by its bare name, as texts of objectives have it: relu3_4, organ."""

from dataclasses import dataclass
from typing import Any

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Measure
from dreamsound_jax.objectives.terms import LayerTerm, Objective, ProbabilityTerm, Term
from dreamsound_jax.system.errors import UserError, find_choice, list_nearest


@dataclass(frozen=True)
class NamedTerm(Term):
    """The mean squared activation of a layer, or the log probability of a class, by its name.

    Which of the two it is, is known with the network. A layer comes first.
    """

    name: str

    def resolve(self, card: Card) -> LayerTerm | ProbabilityTerm:
        """Returns the term of the layer or the class.

        Raises:
          UserError: the network has neither; the message has the nearest names.
        """
        found = _find_layer(self.name, card) or _find_class(self.name, card)
        if found is None:
            raise UserError(_describe_unknown(self.name, card))
        return found

    def measure(self, card: Card) -> Measure:
        """Returns the measure; UserError if there is no such layer or class."""
        return self.resolve(card).measure(card)

    def data(self, card: Card, frames: int | None = None) -> Any:
        """Returns the data of the measure; UserError if there is no such layer or class."""
        return self.resolve(card).data(card, frames)

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return self.resolve(card).label(card)


def named(name: str) -> Objective:
    """The mean squared activation of a layer, or the log probability of a class, by its name.

    Args:
      name: such as "relu3_4", "organ" or, for the class "pipe", "flute". One that the network does
        not have raises UserError when it dreams.

    Example:
      >>> named("organ").terms
      ((1.0, NamedTerm(name='organ')),)
    """
    return Objective(((1.0, NamedTerm(name)),))


def list_names(card: Card) -> list[str]:
    """Returns all names of layers, classes and their synonyms, the longest ones first."""
    names = {*card.architecture.layers, *card.classes, *card.synonyms}
    return sorted(names, key=lambda name: (-len(name), name))


def _find_layer(name, card):
    try:
        return LayerTerm(find_choice("layer", name, card.architecture.layers))
    except UserError:
        return None


def _find_class(name, card):
    try:
        return ProbabilityTerm(card.classes[card.class_index(name)])
    except UserError:
        return None


def _describe_unknown(name, card):
    near = list_nearest(name, list_names(card))
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return (
        f"the network {card.name} has no layer or class {name!r}{meant}; --list_models lists them"
    )
