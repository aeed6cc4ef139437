"""What a dream raises: a weighted sum of terms, as a value.

    layer("relu3_4") + 0.5 * probability("organ") - 0.1 * custom(my_function, ["relu1_1"])

The terms of DeepDream are here. To add a kind of term, write a module beside this one with its
measure, its term and its function, such as `units.py`.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.network import Layer
from dreamsound_jax.networks.windows import Measure
from dreamsound_jax.objectives.measures import Function, LogProbability, MeanSquare, name_of
from dreamsound_jax.system.errors import UserError, find_choice, nearest_or_fail


class Term(Protocol):
    """One term of an objective."""

    def measure(self, card: Card) -> Measure:
        """Returns what it measures of a network: static. UserError if the network has no such."""
        ...

    def data(self, card: Card, frames: int | None = None) -> Any:
        """Returns the data of the measure for a clip of so many frames, a pytree of NumPy arrays.

        Where the data depend on them, `None` stands for those of a second of sound.
        """
        ...

    def label(self, card: Card) -> str:
        """Returns what pictures call it."""
        ...


def find_layer(card: Card, name: str) -> Layer:
    """Returns the layer of a card's network; UserError if there is no such layer."""
    return card.architecture.layer(find_choice("layer", name, card.architecture.layers))


@dataclass(frozen=True)
class LayerTerm(Term):
    """The mean squared activation of a layer."""

    layer: str

    def measure(self, card: Card) -> Measure:
        """Returns the measure; UserError if there is no such layer, or it gives the logits."""
        name = find_layer(card, self.layer).name
        if name == card.architecture.class_layer:
            raise UserError(
                f"layer {name} gives the logits of all classes, and their mean square stands for "
                "no class: use probability(CLASS) to raise the probability of a class"
            )
        return MeanSquare(name)

    def data(self, card: Card, frames: int | None = None) -> Any:
        """Returns ()."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"mean squared activation of {self.layer}"


@dataclass(frozen=True)
class ProbabilityTerm(Term):
    """The log probability of a class, by its name or index."""

    target: str | int

    def measure(self, card: Card) -> Measure:
        """Returns the measure."""
        architecture = card.architecture
        return LogProbability(architecture.class_layer, architecture.multi_label)

    def data(self, card: Card, frames: int | None = None) -> Any:
        """Returns the index of the class; UserError if there is no such class."""
        return np.int32(card.class_index(self.target))

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        what = "logit" if card.architecture.multi_label else "log probability"
        return f"{what} of {card.classes[card.class_index(self.target)]}"


@dataclass(frozen=True)
class FunctionTerm(Term):
    """A function of activations; see `custom`."""

    function: Callable[[Mapping[str, jax.Array]], Any]
    layers: tuple[str, ...]

    def measure(self, card: Card) -> Measure:
        """Returns the measure; UserError if the network has no such layer, or none is given."""
        if not self.layers:
            raise UserError(f"custom({self.label(card)}, layers) must name at least one layer")
        known = card.architecture.layers
        return Function(
            self.function, tuple(nearest_or_fail("layer", name, known) for name in self.layers)
        )

    def data(self, card: Card, frames: int | None = None) -> Any:
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

    The activations that it reads are kept for the whole of a long clip, which takes more memory
    than `layer` needs.

    Example:
      >>> objective = custom(lambda found: found["relu3_4"][..., 17].mean(), ["relu3_4"])
    """
    return Objective(((1.0, FunctionTerm(function, tuple(layers))),))


class ObjectiveData(NamedTuple):
    """What may differ between clips of one compiled program.

    Attributes:
      weights: (terms,); of an interpolation (stops, terms).
      data: the data of each term.
      progress: of an interpolation, where among its stops the clip begins and ends, (2,): 0 is the
        first, 1 the second; None for a single objective.
    """

    weights: jax.Array | np.ndarray
    data: tuple
    progress: jax.Array | np.ndarray | None = None


def compile_objective(
    objective: Objective,
    card: Card,
    *,
    dtype: DTypeLike = np.float32,
    frames: int | None = None,
) -> tuple[tuple[Measure, ...], ObjectiveData]:
    """Splits an objective into its measures, which are static, and its data.

    Args:
      objective: the objective.
      card: of the network.
      dtype: of the numbers among the data.
      frames: of the clip.

    Raises:
      UserError: as `list_measures`; or the data of a term are not possible, such as a class or a
        channel that the network does not have, or a guide that cannot be read.
    """
    terms = _sort_terms(objective, card)
    data = tuple(term.data(card, frames) for _, term in terms)
    weights = np.array([weight for weight, _ in terms], dtype)
    as_dtype = jax.tree.map(lambda leaf: _cast(leaf, dtype), data)
    return tuple(term.measure(card) for _, term in terms), ObjectiveData(weights, as_dtype)


def list_measures(objective: Objective, card: Card) -> tuple[Measure, ...]:
    """Returns the measures of an objective.

    They are sorted from shallow to deep layers, so that objectives that differ in the order of
    their terms share a program.

    Raises:
      UserError: the network has no such layer or class, or there are no terms, or none of them
        depends on the network.
    """
    return tuple(term.measure(card) for _, term in _sort_terms(objective, card))


def _sort_terms(objective, card):
    """Returns (weight, term) of an objective in the order of their measures."""
    return [objective.terms[place] for place in order_terms(objective, card)]


def order_terms(objective: Objective, card: Card) -> np.ndarray:
    """Returns the places of an objective's terms in the order of their measures: (terms,)."""
    if not objective.terms:
        raise UserError("the objective must have at least one term, such as layer(relu3_4)")
    order = card.architecture.layers
    reads = [term.measure(card).layers for _, term in objective.terms]
    if not any(reads):
        raise UserError(
            "the objective must have a term that depends on the network, such as layer(relu3_4)"
        )
    deepest = [max(map(order.index, names), default=-1) for names in reads]
    return np.argsort(deepest, kind="stable")


def _cast(leaf, dtype):
    is_float = np.issubdtype(np.asarray(leaf).dtype, np.floating)
    return np.asarray(leaf, dtype) if is_float else leaf


def evaluate(measured: Sequence[jax.Array], data: ObjectiveData) -> jax.Array:
    """Returns the weighted sum of the measures of a clip, in float32 or wider.

    It is a scalar; of an interpolation one number for each of its stops.
    """
    if data.progress is not None:
        return jnp.asarray(data.weights) @ jnp.stack([*measured])
    weighted = (data.weights[number] * value for number, value in enumerate(measured))
    return functools.reduce(operator.add, weighted)
