"""Measures of activations. Each is static; its data, such as a class index, is passed separately.

Clips whose objectives have the same measures share a compiled program, whatever their data are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from dreamsound_jax.networks.windows import Part
from dreamsound_jax.system.errors import UserError


@dataclass(frozen=True)
class OfLayer:
    """What measures of one layer share.

    Attributes:
      layer: the layer that is read.
    """

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that is read."""
        return (self.layer,)


@dataclass(frozen=True)
class MeanSquare(OfLayer):
    """The mean squared activation of a layer; its data are ()."""

    sums_over_windows: ClassVar[bool] = True

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any = (), part: Part | None = None
    ) -> jax.Array:
        """Measures a whole clip, or the share of it that a part contributes."""
        values = activations[self.layer]
        squares = jnp.square(at_least_float32(values))
        if part is None:
            return jnp.mean(squares)
        rows, _, channels = values.shape
        return jnp.where(part.owned[:, None], squares, 0).sum() / (rows * part.columns * channels)


@dataclass(frozen=True)
class LogProbability(OfLayer):
    """The log probability of a class; its data are the index of the class.

    Where classes do not exclude each other, it is the logit of the class: the logarithm of a
    sigmoid has no gradient left once the class is certain.

    Attributes:
      layer: the one that gives a number for each class.
      multi_label: whether classes exclude each other (softmax) or not (sigmoid).
    """

    multi_label: bool = False
    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        logits = at_least_float32(activations[self.layer])
        return (logits if self.multi_label else jax.nn.log_softmax(logits))[data]


@dataclass(frozen=True)
class Logits(OfLayer):
    """The numbers of the class layer, (classes,); its data are ()."""

    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any = (), part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        return activations[self.layer]


@dataclass(frozen=True)
class Function:
    """Any function of {layer: activation of the whole clip} of `layers`; its data are ()."""

    function: Callable[[Mapping[str, jax.Array]], Any]
    layers: tuple[str, ...]
    sums_over_windows: ClassVar[bool] = False

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any = (), part: Part | None = None
    ) -> jax.Array:
        """Measures a clip; UserError if the function does not return a real number."""
        given = {name: activations[name] for name in self.layers}
        return at_least_float32(_check_scalar(self.function(given), name_of(self.function)))


def name_of(function: Callable) -> str:
    """Returns the name of a function; "a function" if it has none."""
    return getattr(function, "__name__", "a function").replace("<lambda>", "a function")


def _check_scalar(value, name):
    """Returns what a function of activations returned; UserError if it has no gradient."""
    must = f"the objective {name} must return one number of a float type"
    try:
        value = jnp.asarray(value)
    except (TypeError, ValueError):
        raise UserError(f"{must}, got {value!r}") from None
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        raise UserError(f"{must}, got an array of shape {value.shape} and type {value.dtype}")
    return value


def at_least_float32(values: Any) -> jax.Array:
    """Returns an array in float32, or in its own dtype if that is wider."""
    values = jnp.asarray(values)
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
