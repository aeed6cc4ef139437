"""What a dream raises where it changes: objectives that fade into each other, one after the other.

    Interpolation((probability("organ"), probability("flute")))

They fade along a clip, or from round to round of an ouroboros. How far each counts is data, so that
all rounds, and clips whose objectives differ in their data alone, share a compiled program.
"""

from dataclasses import dataclass

import numpy as np
from jax.typing import DTypeLike

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Measure
from dreamsound_jax.objectives.terms import (
    Objective,
    ObjectiveData,
    compile_objective,
    list_measures,
    order_terms,
)
from dreamsound_jax.system.errors import UserError


@dataclass(frozen=True)
class Interpolation:
    """Objectives that fade into each other.

    Attributes:
      stops: two or more objectives, in their order.

    Example:
      >>> from dreamsound_jax.objectives.terms import layer
      >>> len(Interpolation((layer("relu2_2"), layer("relu5_4"))).stops)
      2
    """

    stops: tuple[Objective, ...]

    def __post_init__(self) -> None:
        """Raises UserError for fewer than two objectives."""
        if len(self.stops) < 2:
            raise UserError(
                "--interpolate must have two objectives or more, such as 'relu2_2 > relu5_4', "
                f"and has {len(self.stops)}"
            )

    @property
    def joined(self) -> Objective:
        """The terms of all objectives, one after the other."""
        return Objective(tuple(term for stop in self.stops for term in stop.terms))

    def label(self, card: Card) -> str:
        """Returns what pictures call it."""
        return " > ".join(stop.label(card) for stop in self.stops)


def compile_interpolation(
    interpolation: Interpolation,
    card: Card,
    *,
    begin: float = 0.0,
    end: float = 0.0,
    dtype: DTypeLike = np.float32,
    frames: int | None = None,
) -> tuple[tuple[Measure, ...], ObjectiveData]:
    """Splits an interpolation into its measures, which are static, and its data.

    Args:
      interpolation: the objectives.
      card: of the network.
      begin, end: where the clip begins and ends, in stops; see `ObjectiveData.progress`.
      dtype, frames: as for `compile_objective`.

    Raises:
      UserError: as `compile_objective`, for any of the objectives.
    """
    for stop in interpolation.stops:
        list_measures(stop, card)
    measures, data = compile_objective(interpolation.joined, card, dtype=dtype, frames=frames)
    counts = [len(stop.terms) for stop in interpolation.stops]
    owners = np.repeat(np.arange(len(counts)), counts)[order_terms(interpolation.joined, card)]
    is_own = owners == np.arange(len(counts))[:, None]
    weights = np.where(is_own, data.weights, 0).astype(dtype)
    return measures, data._replace(weights=weights, progress=np.array([begin, end], dtype))
