"""The term that keeps the clips of a batch apart from each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Part
from dreamsound_jax.objectives.measures import OfLayer, at_least_float32
from dreamsound_jax.objectives.terms import Objective, Term, find_layer
from dreamsound_jax.system.devices import gather_clips

# A batch that is not full repeats its last clip. Clips as alike as this count as one.
_SAME = 1 - 1e-5
_TINY = 1e-12


@dataclass(frozen=True)
class Unlikeness(OfLayer):
    """Minus the mean cosine between a clip's style and those of the other clips of its batch.

    The style is the matrix of products of a layer's channels, averaged over its cells. The data
    are ().
    """

    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any = (), part: Part | None = None
    ) -> jax.Array:
        """Measures a clip; the others stay as they are in its gradient."""
        style = _describe_style(activations[self.layer])
        styles = jax.lax.stop_gradient(gather_clips(style))
        same = styles @ styles.T > _SAME
        weights = 1 / same.sum(axis=1)
        cosines = styles @ style
        weights = jnp.where(jax.lax.stop_gradient(cosines) > _SAME, 0, weights)
        return -(weights * cosines).sum() / jnp.maximum(weights.sum(), _TINY)


def _describe_style(activation):
    """Returns the products of channels, averaged over cells, as a vector of length 1."""
    values = at_least_float32(activation)
    cells = values.reshape(-1, values.shape[-1])
    products = (cells.T @ cells / len(cells)).ravel()
    return products / jnp.sqrt(jnp.square(products).sum() + _TINY)


@dataclass(frozen=True)
class DiversityTerm(Term):
    """How unlike the other clips of its batch a clip is."""

    layer: str

    def measure(self, card: Card) -> Unlikeness:
        """Returns the measure; UserError if there is no such layer."""
        return Unlikeness(find_layer(card, self.layer).name)

    def data(self, card: Card, frames: int | None = None) -> tuple:
        """Returns ()."""
        return ()

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"diversity of {self.layer}"


def diversity(layer: str) -> Objective:
    """How unlike the clips of a batch are to each other, as in Feature Visualization (2017).

    It is minus the mean cosine between the Gram matrices of a layer: -1 where all clips are alike.
    A dream with this term depends on the other clips of its batch; in a batch of one clip, it
    raises nothing.

    Args:
      layer: such as "relu3_4".

    Example:
      >>> diversity("relu3_4").terms
      ((1.0, DiversityTerm(layer='relu3_4')),)
    """
    return Objective(((1.0, DiversityTerm(layer)),))
