"""What a dream raises: a weighted sum of terms, as a value.

    layer("relu3_4") + 0.5 * probability("organ") - 0.1 * custom(my_function, ["relu1_1"])

To add a kind of term: write its measure in `measures.py`, and its term and its function here.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax.typing import DTypeLike

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Measure
from dreamsound_jax.objectives.measures import Function, LogProbability, MeanSquare, name_of
from dreamsound_jax.system.errors import UserError, nearest_or_fail


class Term(Protocol):
    """One term of an objective."""

    def measure(self, card: Card) -> Measure:
        """Returns what it measures of a network: static. UserError if the network has no such."""
        ...

    def data(self, card: Card) -> Any:
        """Returns the data of the measure, a pytree of NumPy arrays."""
        ...

    def label(self, card: Card) -> str:
        """Returns what pictures call it."""
        ...


@dataclass(frozen=True)
class LayerTerm:
    """The mean squared activation of a layer."""

    layer: str

    def measure(self, card: Card) -> Measure:
        """Returns the measure; UserError if there is no such layer, or it gives the logits."""
        architecture = card.architecture
        name = nearest_or_fail("layer", self.layer, architecture.layers)
        if name == architecture.class_layer:
            raise UserError(
                f"layer {name} gives the logits of all classes, and their mean square stands for "
                "no class: use probability(CLASS) to raise the probability of a class"
            )
        return MeanSquare(name)

    def data(self, card: Card) -> Any:
        """Returns ()."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"mean squared activation of {self.layer}"


@dataclass(frozen=True)
class ProbabilityTerm:
    """The log probability of a class, by its name or index."""

    target: str | int

    def measure(self, card: Card) -> Measure:
        """Returns the measure."""
        architecture = card.architecture
        return LogProbability(architecture.class_layer, architecture.multi_label)

    def data(self, card: Card) -> Any:
        """Returns the index of the class; UserError if there is no such class."""
        return np.int32(card.class_index(self.target))

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        what = "logit" if card.architecture.multi_label else "log probability"
        return f"{what} of {card.classes[card.class_index(self.target)]}"


@dataclass(frozen=True)
class FunctionTerm:
    """A function of activations; see `custom`."""

    function: Callable[[Mapping[str, jax.Array]], Any]
    layers: tuple[str, ...]

    def measure(self, card: Card) -> Measure:
        """Returns the measure; UserError if the network has no such layer, or none is given."""
        if not self.layers:
            raise UserError(f"{self.label(card)} must read at least one layer, got none")
        known = card.architecture.layers
        return Function(
            self.function, tuple(nearest_or_fail("layer", name, known) for name in self.layers)
        )

    def data(self, card: Card) -> Any:
        """Returns ()."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the function's name."""
        return name_of(self.function)


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms, to be raised. Objectives add, subtract and scale.

    Attributes:
      terms: pairs (weight, `Term`).

    Example:
      >>> objective = layer("relu3_4") + 0.5 * layer("relu4_4")
      >>> [weight for weight, _ in objective.terms]
      [1.0, 0.5]
    """

    terms: tuple[tuple[float, Term], ...]

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(self.terms + other.terms)

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -1.0 * other

    def __mul__(self, factor: float) -> "Objective":
        return Objective(tuple((factor * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def label(self, card: Card) -> str:
        """Returns what pictures call it."""
        if len(self.terms) > 1 and {weight for weight, _ in self.terms} == {1 / len(self.terms)}:
            return "mean of " + ", ".join(term.label(card) for _, term in self.terms)
        parts = [_label_part(weight, term.label(card)) for weight, term in self.terms]
        return " + ".join(parts).replace("+ minus", "-")


def _label_part(weight, label):
    size = "" if abs(weight) == 1 else f"{abs(weight):g} "
    return ("minus " if weight < 0 else "") + size + label


def layer(name: str) -> Objective:
    """The mean squared activation of a layer, as DeepDream raises it.

    Args:
      name: such as "relu3_4"; a network's `architecture.layers` names all of them. A name that the
        network does not have raises UserError when it dreams. So does the layer that gives the
        logits of the classes, such as "output": use `probability` to raise a class.

    Example:
      >>> layer("relu3_4").terms
      ((1.0, LayerTerm(layer='relu3_4')),)
    """
    return Objective(((1.0, LayerTerm(name)),))


def layers(names: Sequence[str]) -> Objective:
    """The mean over several layers of their mean squared activations, as in the reference.

    Args:
      names: of the layers, as for `layer`. For what the flag `--layers_to_use=relu3_4,output`
        does, write `0.5 * layer("relu3_4") + 0.5 * probability("organ")`.
    """
    return Objective(tuple((1 / len(names), LayerTerm(name)) for name in names))


def probability(target: str | int) -> Objective:
    """The log probability of a class; its negative lowers the probability.

    Args:
      target: the name or the index of the class. One that the network does not have raises
        UserError when it dreams.

    Example:
      >>> (layer("relu3_4") - 0.5 * probability("organ")).terms[1]
      (-0.5, ProbabilityTerm(target='organ'))
    """
    return Objective(((1.0, ProbabilityTerm(target)),))


def custom(
    function: Callable[[Mapping[str, jax.Array]], jax.Array], layers: Sequence[str]
) -> Objective:
    """Any scalar function of activations.

    Args:
      function: {layer: activation} of one clip -> scalar of a float type. An activation is (rows,
        columns, channels), where rows are mel bands and columns frames; in the head it is
        (features,). A function that returns anything else raises UserError when it dreams.
      layers: the names of the layers whose activations it is given.

    A long clip is then heard as a whole, not window by window, which takes more memory.

    Example:
      >>> objective = custom(lambda found: found["relu3_4"][..., 17].mean(), ["relu3_4"])
    """
    return Objective(((1.0, FunctionTerm(function, tuple(layers))),))


class ObjectiveData(NamedTuple):
    """What may differ between clips of one compiled program.

    Attributes:
      weights: (terms,).
      data: the data of each term.
    """

    weights: jax.Array | np.ndarray
    data: tuple


def compile_objective(
    objective: Objective, card: Card, *, dtype: DTypeLike = np.float32
) -> tuple[tuple[Measure, ...], ObjectiveData]:
    """Splits an objective into its measures, which are static, and its data.

    Measures are sorted from shallow to deep layers, so that objectives that differ in the order of
    their terms share a program.

    Raises:
      UserError: the network has no such layer or class, or there are no terms.
    """
    if not objective.terms:
        raise UserError("the objective has no terms")
    order = card.architecture.layers
    compiled = [(term.measure(card), weight, term.data(card)) for weight, term in objective.terms]
    compiled.sort(key=lambda each: max(order.index(name) for name in each[0].layers))
    measures, weights, data = zip(*compiled)
    return measures, ObjectiveData(np.asarray(weights, dtype), data)


def evaluate(measured: Sequence[jax.Array], data: ObjectiveData) -> jax.Array:
    """Returns the weighted sum of the measures of a clip, in float32 or wider."""
    weighted = (data.weights[number] * value for number, value in enumerate(measured))
    return functools.reduce(operator.add, weighted)
