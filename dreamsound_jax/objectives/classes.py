"""Terms of classes by their logits: a logit, and the margin over the strongest other class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Part
from dreamsound_jax.objectives.measures import OfLayer, at_least_float32
from dreamsound_jax.objectives.terms import Objective, Term
from dreamsound_jax.objectives.units import MeanOfChannel


@dataclass(frozen=True)
class Margin(OfLayer):
    """The logit of a class minus the largest other one; its data are the index of the class."""

    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: jax.Array, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        logits = at_least_float32(activations[self.layer])
        others = jnp.where(jnp.arange(logits.size) == data, -jnp.inf, logits)
        return logits[data] - others.max()


@dataclass(frozen=True)
class LogitTerm(Term):
    """The logit of a class, by its name or index."""

    target: str | int

    def measure(self, card: Card) -> MeanOfChannel:
        """Returns the measure."""
        return MeanOfChannel(card.architecture.class_layer)

    def data(self, card: Card, frames: int | None = None) -> np.int32:
        """Returns the index of the class; UserError if there is no such class."""
        return np.int32(card.class_index(self.target))

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"logit of {card.classes[card.class_index(self.target)]}"


@dataclass(frozen=True)
class MarginTerm(Term):
    """The margin of a class, by its name or index."""

    target: str | int

    def measure(self, card: Card) -> Margin:
        """Returns the measure."""
        return Margin(card.architecture.class_layer)

    def data(self, card: Card, frames: int | None = None) -> np.int32:
        """Returns the index of the class; UserError if there is no such class."""
        return np.int32(card.class_index(self.target))

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"margin of {card.classes[card.class_index(self.target)]}"


def logit(target: str | int) -> Objective:
    """The number that a network gives a class before softmax or sigmoid.

    Unlike `probability`, it is raised without lowering the other classes.

    Args:
      target: the name or the index of the class. One that the network does not have raises
        UserError when it dreams.

    Example:
      >>> logit("organ").terms
      ((1.0, LogitTerm(target='organ')),)
    """
    return Objective(((1.0, LogitTerm(target)),))


def margin(target: str | int) -> Objective:
    """The logit of a class minus that of the strongest other class (Carlini and Wagner 2017).

    Args:
      target: as for `logit`.

    Example:
      >>> margin("organ").terms
      ((1.0, MarginTerm(target='organ')),)
    """
    return Objective(((1.0, MarginTerm(target)),))
