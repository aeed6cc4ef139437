"""Terms of single units of a layer: a channel, a neuron, a direction among channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Part
from dreamsound_jax.objectives.measures import OfLayer, at_least_float32
from dreamsound_jax.objectives.preparing import Level
from dreamsound_jax.objectives.terms import Objective, Term, find_layer
from dreamsound_jax.system.errors import UserError


@dataclass(frozen=True)
class MeanAlong(OfLayer):
    """The mean over a layer's cells of their dot product with a vector, its data, (channels,)."""

    sums_over_windows: ClassVar[bool] = True

    def __call__(
        self, activations: Mapping[str, jax.Array], data: jax.Array, part: Part | None = None
    ) -> jax.Array:
        """Measures a whole clip, or the share of it that a part contributes."""
        along = at_least_float32(activations[self.layer]) @ data
        if part is None:
            return along.mean()
        return jnp.where(part.owned, along, 0).sum() / (along.shape[0] * part.columns)


@dataclass(frozen=True)
class MeanOfChannel(OfLayer):
    """The mean over a layer's cells of one channel, whose number is its data."""

    sums_over_windows: ClassVar[bool] = True

    def __call__(
        self, activations: Mapping[str, jax.Array], data: jax.Array, part: Part | None = None
    ) -> jax.Array:
        """Measures a whole clip, or the share of it that a part contributes."""
        cells = at_least_float32(jnp.take(activations[self.layer], data, axis=-1))
        if part is None:
            return cells.mean()
        return jnp.where(part.owned, cells, 0).sum() / (cells.shape[0] * part.columns)


class Place(NamedTuple):
    """Where a neuron is.

    Attributes:
      channel: its number.
      height: of its band, as a share of all mel bands.
      time: of its frame, as a share of all frames.
    """

    channel: ArrayLike
    height: ArrayLike
    time: ArrayLike


@dataclass(frozen=True)
class OneNeuron(OfLayer):
    """One cell of one channel of a layer; its data are a `Place`."""

    sums_over_windows: ClassVar[bool] = False

    def prepare(self, data: Place, level: Level) -> Place:
        """Returns where the neuron is in what the network hears of the clip."""
        frames = level.original.shape[1]
        frame = (jnp.asarray(data.time) * frames + level.roll) % frames
        return data._replace(time=frame / level.heard_frames)

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Place, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        cells = at_least_float32(jnp.take(activations[self.layer], data.channel, axis=-1))
        rows, columns = cells.shape
        row = jnp.clip(jnp.int32(jnp.asarray(data.height) * rows), 0, rows - 1)
        column = jnp.clip(jnp.int32(jnp.asarray(data.time) * columns), 0, columns - 1)
        return cells[row, column]


@dataclass(frozen=True)
class ChannelTerm(Term):
    """The mean of one channel of a layer."""

    layer: str
    number: int

    def measure(self, card: Card) -> MeanOfChannel:
        """Returns the measure; UserError if there is no such layer."""
        return MeanOfChannel(find_layer(card, self.layer).name)

    def data(self, card: Card, frames: int | None = None) -> np.int32:
        """Returns the number of the channel; UserError if there is no such channel."""
        return _check_channel(card, self.layer, self.number)

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"channel {self.number} of {self.layer}"


@dataclass(frozen=True)
class NeuronTerm(Term):
    """One cell of one channel of a layer."""

    layer: str
    number: int
    band: int | None
    frame: int | None

    def measure(self, card: Card) -> OneNeuron:
        """Returns the measure; UserError if the layer has no cells."""
        layer = find_layer(card, self.layer)
        if layer.reach is None:
            raise UserError(
                f"the layer of a neuron must have bands and frames, and {layer.name} has neither: "
                f"use channel({layer.name}, {self.number})"
            )
        return OneNeuron(layer.name)

    def data(self, card: Card, frames: int | None = None) -> Place:
        """Returns the place; UserError if it lies outside of the clip."""
        bands = card.front_end.n_mels
        return Place(
            _check_channel(card, self.layer, self.number),
            _share_of("band", self.band, bands),
            np.float32(0.5) if frames is None else _share_of("frame", self.frame, frames),
        )

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        place = (("band", self.band), ("frame", self.frame))
        where = " and ".join(f"{name} {number}" for name, number in place if number is not None)
        return f"a neuron of channel {self.number} of {self.layer} at {where or 'the centre'}"


@dataclass(frozen=True)
class DirectionTerm(Term):
    """The mean of a layer along a direction among its channels."""

    layer: str
    vector: tuple[float, ...]

    def measure(self, card: Card) -> MeanAlong:
        """Returns the measure; UserError if there is no such layer."""
        return MeanAlong(find_layer(card, self.layer).name)

    def data(self, card: Card, frames: int | None = None) -> np.ndarray:
        """Returns the direction; UserError if it has another number of channels."""
        layer, vector = find_layer(card, self.layer), np.array(self.vector)
        if vector.shape != (layer.channels,) or not np.isfinite(vector).all():
            found = "some that are not" if vector.size == layer.channels else vector.size
            raise UserError(
                f"a direction of {layer.name} must have {layer.channels} finite numbers, one for "
                f"each channel, and has {found}"
            )
        return vector

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"a direction of {self.layer}"


def _check_channel(card: Card, name: str, number: int) -> np.int32:
    layer = find_layer(card, name)
    if not isinstance(number, int | np.integer) or not 0 <= number < layer.channels:
        raise UserError(
            f"a channel of {layer.name} must be a whole number from 0 to {layer.channels - 1}, "
            f"and is {number!r}"
        )
    return np.int32(number)


def _share_of(what: str, number: int | None, count: int) -> np.float32:
    """Returns where the centre of a band or frame is, as a share of all."""
    if number is None:
        return np.float32(0.5)
    if not 0 <= number < count:
        raise UserError(
            f"the {what} of a neuron must be a whole number from 0 to {count - 1}, and is {number}"
        )
    return np.float32((number + 0.5) / count)


def channel(layer: str, number: int) -> Objective:
    """The mean activation of one channel of a layer, as lucid's objective of this name.

    Clips that differ in the number of the channel alone share a compiled program.

    Args:
      layer: such as "relu3_4".
      number: of the channel, from 0. A channel that the layer does not have raises UserError when
        it dreams.

    Example:
      >>> channel("relu3_4", 17).terms
      ((1.0, ChannelTerm(layer='relu3_4', number=17)),)
    """
    return Objective(((1.0, ChannelTerm(layer, number)),))


def neuron(layer: str, number: int, band: int | None = None, frame: int | None = None) -> Objective:
    """The activation of one channel of a layer at one place of the spectrogram.

    Args:
      layer: such as "relu3_4"; not one of the head, which has no places.
      number: of the channel, from 0.
      band, frame: of the input's spectrogram, from 0, the lowest and the first; the cell of the
        layer that lies there is raised. By default the middle one.

    Example:
      >>> neuron("relu3_4", 17, band=40, frame=100).terms[0][1].frame
      100
    """
    return Objective(((1.0, NeuronTerm(layer, number, band, frame)),))


def direction(layer: str, vector: Sequence[float] | Any) -> Objective:
    """The mean of a layer along a direction among its channels: of their dot product with a vector.

    Args:
      layer: such as "relu3_4".
      vector: a number for each channel. It is not scaled to any length.

    Example:
      >>> direction("mp5", [1.0] + 127 * [0.0]).terms[0][0]
      1.0
    """
    return Objective(((1.0, DirectionTerm(layer, tuple(map(float, np.ravel(vector))))),))
