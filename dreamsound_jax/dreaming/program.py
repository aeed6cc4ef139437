"""`Program`, which a compiled dream depends on, and `ClipSettings`, the data of its clips."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.dreaming import pyramid
from dreamsound_jax.dreaming.habituation import Habituation
from dreamsound_jax.dreaming.optimizers import Steps
from dreamsound_jax.dreaming.views import Jitter
from dreamsound_jax.networks.network import Architecture
from dreamsound_jax.networks.windows import Measure
from dreamsound_jax.objectives.terms import ObjectiveData


@dataclass(frozen=True)
class Program:
    """What a compiled dream depends on, besides the shapes of the clips; hashable.

    Attributes:
      measures: the measures of the objective; `ClipSettings.objective` has their data.
      pyramid_size: number of levels.
      pyramid_ratio: how many times larger each level is than the one before it.
      replace_detail: whether a level restores the detail that the smaller one had lost.
      num_iterations: steps at each level.
      optimizers: those that the program computes; `ClipSettings.steps` says which of them counts.
      views: number of views of each step, if the settings have a `jitter`.
      keep_path: whether the parameters after each step are returned.
      circular: whether clips are loops; their front end is a `LoopFrontEnd` then.
    """

    measures: tuple[Measure, ...]
    pyramid_size: int = 3
    pyramid_ratio: float = 2.0
    replace_detail: bool = True
    num_iterations: int = 10
    optimizers: tuple[str, ...] = ("sgd",)
    views: int = 1
    keep_path: bool = False
    circular: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the measures read."""
        return tuple(dict.fromkeys(name for measure in self.measures for name in measure.layers))

    def level_shapes(
        self, shape: tuple[int, ...], architecture: Architecture
    ) -> list[tuple[int, int]]:
        """Returns the shapes of the pyramid's levels for a clip of `shape`.

        Raises:
          UserError: the pyramid is too deep for the clip, or for a layer.
        """
        shapes = pyramid.level_shapes(shape, size=self.pyramid_size, ratio=self.pyramid_ratio)
        layer = architecture.deepest(self.layers)
        pyramid.check_bands(shapes, at_least=layer.stride[0], layer=layer.name)
        return shapes


class ClipSettings(NamedTuple):
    """What may differ from clip to clip in one compiled dream; arrays.

    Attributes:
      steps: how steps are taken; scalars.
      detail_factor: how much of the lost detail a level restores; a scalar.
      rolls: (levels,), how far each level is rolled in time, in frames.
      objective: the weights and the data of the program's measures.
      jitter: by how much the views of a step differ; None if each step sees the spectrogram as it
        is.
      until_db: a clip stops when it is so far from its input; None for never.
      habituation: what an ouroboros is used to; None for a dream that is used to nothing.
    """

    steps: Steps
    detail_factor: jax.Array | np.ndarray
    rolls: jax.Array | np.ndarray
    objective: ObjectiveData
    jitter: Jitter | None = None
    until_db: jax.Array | np.ndarray | None = None
    habituation: Habituation | None = None
