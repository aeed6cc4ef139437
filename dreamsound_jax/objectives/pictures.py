"""Terms of the spectrogram itself: how rough it is, and how far from that of the input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import CLOSED_SPECTROGRAM, SPECTROGRAM, Part
from dreamsound_jax.objectives.measures import at_least_float32
from dreamsound_jax.objectives.preparing import Level
from dreamsound_jax.objectives.terms import Objective, Term


class Variations(NamedTuple):
    """The weights of variations along time and along frequency; scalars."""

    time: ArrayLike
    frequency: ArrayLike


@dataclass(frozen=True)
class TotalVariation:
    """The mean absolute difference of neighbouring cells; its data are `Variations`."""

    layers: ClassVar[tuple[str, ...]] = ()
    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Variations, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        seen = at_least_float32(activations[SPECTROGRAM])
        # The last frame of a loop has a neighbour, too.
        closed = at_least_float32(activations.get(CLOSED_SPECTROGRAM, seen))
        along = [
            jnp.abs(jnp.diff(each, axis=axis)).mean() for each, axis in ((closed, 1), (seen, 0))
        ]
        return jnp.vdot(jnp.stack([*data]), jnp.stack(along))


@dataclass(frozen=True)
class Nearness:
    """Minus the mean square of the change from the input; its data are the input at a level."""

    layers: ClassVar[tuple[str, ...]] = ()
    sums_over_windows: ClassVar[bool] = False

    def prepare(self, data: tuple, level: Level) -> jax.Array:
        """Returns the input as the network hears it at a level."""
        return level.show(level.original)

    def __call__(
        self, activations: Mapping[str, jax.Array], data: jax.Array, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        return -jnp.square(at_least_float32(activations[SPECTROGRAM]) - data).mean()


@dataclass(frozen=True)
class SameSpectrum:
    """Minus the mean square of the change of each band's mean level over time.

    Its data are those levels of the input, (mel bands,), at a level of the pyramid.
    """

    layers: ClassVar[tuple[str, ...]] = ()
    sums_over_windows: ClassVar[bool] = False

    def prepare(self, data: tuple, level: Level) -> jax.Array:
        """Returns the mean levels of the input."""
        return at_least_float32(level.show(level.original)).mean(axis=1)

    def __call__(
        self, activations: Mapping[str, jax.Array], data: jax.Array, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        levels = at_least_float32(activations[SPECTROGRAM]).mean(axis=1)
        return -jnp.square(levels - data).mean()


@dataclass(frozen=True)
class TotalVariationTerm(Term):
    """The total variation of the spectrogram."""

    time: float
    frequency: float

    def measure(self, card: Card) -> TotalVariation:
        """Returns the measure."""
        return TotalVariation()

    def data(self, card: Card, frames: int | None = None) -> Variations:
        """Returns the weights."""
        return Variations(np.float32(self.time), np.float32(self.frequency))

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return "total variation"


@dataclass(frozen=True)
class NearnessTerm(Term):
    """The nearness of the spectrogram to that of the input."""

    def measure(self, card: Card) -> Nearness:
        """Returns the measure."""
        return Nearness()

    def data(self, card: Card, frames: int | None = None) -> tuple:
        """Returns (); the input is known when a level begins."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return "nearness to the input"


@dataclass(frozen=True)
class SpectrumTerm(Term):
    """The nearness of the long-term spectrum to that of the input."""

    def measure(self, card: Card) -> SameSpectrum:
        """Returns the measure."""
        return SameSpectrum()

    def data(self, card: Card, frames: int | None = None) -> tuple:
        """Returns (); the input is known when a level begins."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return "nearness to the input's long-term spectrum"


def total_variation(time: float = 1.0, frequency: float = 1.0) -> Objective:
    """How rough a spectrogram is: the mean absolute difference of neighbouring cells.

    It is in standard deviations of a cell, and is usually subtracted.

    Args:
      time: the weight of differences from frame to frame.
      frequency: the weight of differences from mel band to mel band.

    Example:
      >>> (-0.1 * total_variation()).terms[0][0]
      -0.1
    """
    return Objective(((1.0, TotalVariationTerm(float(time), float(frequency))),))


def stay_near(weight: float = 1.0) -> Objective:
    """The nearness to the input: minus the mean square of the change, in standard deviations.

    In an ouroboros, the input is that of the round.

    Args:
      weight: how much it counts.

    Example:
      >>> stay_near(0.5).terms
      ((0.5, NearnessTerm()),)
    """
    return Objective(((float(weight), NearnessTerm()),))


def keep_spectrum(weight: float = 1.0) -> Objective:
    """The nearness to the input's long-term spectrum: of each band's mean level over time.

    What happens within a band over time stays free, as the phases do in MACO (2023), which keeps
    the spectrum of pictures.

    Args:
      weight: how much it counts.

    Example:
      >>> keep_spectrum(2).terms
      ((2.0, SpectrumTerm()),)
    """
    return Objective(((float(weight), SpectrumTerm()),))
