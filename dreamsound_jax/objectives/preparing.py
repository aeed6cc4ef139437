"""What a measure may know of a level before its steps begin, so that it is computed once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from dreamsound_jax.networks.network import Network
from dreamsound_jax.networks.windows import Measure, measure_response
from dreamsound_jax.spectral.interpolate import repeat_time, resize_nearest, roll_time


class Level(NamedTuple):
    """A level of the pyramid, as measures see it.

    Attributes:
      network: what responds.
      original: the standardised input at the level, (mel bands, frames).
      roll: how far the clip is rolled in time, in frames.
      heard_frames: a clip too short for a layer is repeated to so many frames.
      layers: those that the objective reads, on which it may depend how a network hears.
      circular: whether the clip is a loop.
    """

    network: Network
    original: jax.Array
    roll: jax.Array | int
    heard_frames: int
    layers: tuple[str, ...]
    circular: bool = False

    def show(self, spectrogram: ArrayLike) -> jax.Array:
        """Brings a spectrogram to what the network hears of the clip: resized, rolled, repeated."""
        rolled = roll_time(resize_nearest(jnp.asarray(spectrogram), self.original.shape), self.roll)
        return repeat_time(rolled, frames=self.heard_frames)

    def activation(self, layer: str, spectrogram: ArrayLike) -> jax.Array:
        """Returns the activation of a layer for a spectrogram, shown as the clip is."""
        (found,) = measure_response(
            self.network,
            self.show(spectrogram),
            (_Activation((layer, *self.layers)),),
            ((),),
            circular=self.circular,
        )
        return jax.lax.stop_gradient(found)


class _Activation(NamedTuple):
    """The activation of the first of some layers; its data are ()."""

    layers: tuple[str, ...]
    sums_over_windows: bool = False

    def __call__(self, activations: Any, data: Any, part: Any = None) -> jax.Array:
        return activations[self.layers[0]]


def prepare_all(measures: Sequence[Measure], data: Sequence[Any], level: Level) -> tuple:
    """Returns the data of measures as they are at a level; those without `prepare` keep theirs."""
    return tuple(
        measure.prepare(each, level) if hasattr(measure, "prepare") else each
        for measure, each in zip(measures, data)
    )
