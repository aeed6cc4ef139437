"""Measures of activations. Each is static; its data, such as a class index, is passed separately.

Clips whose objectives have the same measures share a compiled program, whatever their data are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from dreamsound_jax.networks.windows import Part


@dataclass(frozen=True)
class MeanSquare:
    """The mean squared activation of a layer; its data are ()."""

    layer: str
    sums_over_windows: ClassVar[bool] = True

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that is read."""
        return (self.layer,)

    def __call__(self, activations, data=(), part: Part | None = None) -> jax.Array:
        """Measures a whole clip, or the share of it that a part contributes."""
        values = activations[self.layer]
        squares = jnp.square(_at_least_float32(values))
        if part is None:
            return jnp.mean(squares)
        rows, _, channels = values.shape
        return jnp.where(part.owned[:, None], squares, 0).sum() / (rows * part.columns * channels)


@dataclass(frozen=True)
class LogProbability:
    """The log probability of a class; its data are the index of the class.

    Attributes:
      layer: the one that gives a number for each class.
      multi_label: whether classes exclude each other (softmax) or not (sigmoid).
    """

    layer: str
    multi_label: bool = False
    sums_over_windows: ClassVar[bool] = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that gives a number for each class."""
        return (self.layer,)

    def __call__(self, activations, data, part: Part | None = None) -> jax.Array:
        """Measures a clip."""
        logits = _at_least_float32(activations[self.layer])
        to_log = jax.nn.log_sigmoid if self.multi_label else jax.nn.log_softmax
        return to_log(logits)[data]


@dataclass(frozen=True)
class Logits:
    """The numbers of the class layer, (classes,); its data are ()."""

    layer: str
    sums_over_windows: ClassVar[bool] = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that gives a number for each class."""
        return (self.layer,)

    def __call__(self, activations, data=(), part: Part | None = None) -> jax.Array:
        """Measures a clip."""
        return activations[self.layer]


@dataclass(frozen=True)
class Function:
    """Any function of {layer: activation of the whole clip} of `layers`; its data are ()."""

    function: Callable
    layers: tuple[str, ...]
    sums_over_windows: ClassVar[bool] = False

    def __call__(self, activations, data=(), part: Part | None = None) -> jax.Array:
        """Measures a clip."""
        given = {name: activations[name] for name in self.layers}
        return _at_least_float32(self.function(given))


def _at_least_float32(values):
    values = jnp.asarray(values)
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
