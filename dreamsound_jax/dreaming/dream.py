"""A dream: spectrograms go up the pyramid, and at each level up the gradient."""

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.dreaming import ascent, optimizers, pyramid
from dreamsound_jax.networks import windows
from dreamsound_jax.networks.vgg19 import LAYERS, POOLED, deepest, smallest_side
from dreamsound_jax.objectives.combine import CLASS_LAYER, objective
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system import devices, programs


@dataclass(frozen=True)
class Settings:
    """What a compiled dream depends on; see the flags of the same names.

    `layers` and `optimizers` are those that the program computes; what each of the layers counts,
    and which optimizer does, a `Clip` says. With `keep_path`, `after_level` is given all that was
    changed, step by step.
    """

    layers: tuple[str, ...] = ("relu5_4",)
    class_objective: str = "towards"
    pyramid_size: int = 3
    pyramid_ratio: float = 2.0
    replace_detail: bool = True
    num_iterations: int = 10
    optimizers: tuple[str, ...] = ("sgd",)
    keep_path: bool = False

    def level_shapes(self, shape):
        """The pyramid for a clip of `shape`; UserError if a layer cannot see its smallest level."""
        shapes = pyramid.level_shapes(shape, size=self.pyramid_size, ratio=self.pyramid_ratio)
        layer = deepest(self.layers)
        pyramid.check_bands(shapes, at_least=smallest_side(layer), reason=f"layer {layer}")
        return shapes


class Clip(NamedTuple):
    """What may differ from clip to clip in one compiled dream: scalars; `rolls` (levels,); and
    `layer_weights` (45,), what each of `vgg19.LAYERS` counts in the objective.
    """

    steps: optimizers.Steps
    detail_factor: jax.Array
    target_class: jax.Array
    rolls: jax.Array
    layer_weights: jax.Array


def layer_weights(layers):
    """The weights (45,) with which the objective is the mean over `layers`, as in the reference."""
    chosen = np.isin(LAYERS, layers)
    return chosen / chosen.sum()


def dream(network, starts, clips, *, settings, after_level=lambda climb: None):
    """Dreams a batch of clips; one compiled program for each level shape.

    Args:
      network: (graphdef, state) of a VGG19, as `flax.nnx.split` gives it.
      starts: what is dreamed on: a `domains.Mel` or `domains.Sound` whose leaves have a leading
        axis of clips.
      clips: a `Clip` whose leaves have a leading axis of clips.
      settings: a `Settings`.
      after_level: called with the `Climb` of each level, for a progress bar, as soon as it is under
        way.

    Returns:
      What was changed (clips, mel bands, frames), in the domain's terms; and a `Climb` of arrays
      (clips, levels, steps).

    Raises:
      UserError: the pyramid is too deep for the clips, or for a layer.
    """
    settings.level_shapes(starts.spectrogram.shape[1:])
    if programs.are_kept():
        _levels_ahead(network, starts, clips, settings)
    reached, climbs = None, []
    for level in range(settings.pyramid_size):
        reached, climb = dream_batch_level(
            network, reached, starts, clips, settings=settings, level=level
        )
        climbs.append(climb._replace(path=None))
        after_level(climb)
    return reached[0], _by_level(climbs)


def _levels_ahead(network, starts, clips, settings):
    """Has all levels compiled at once: one is traced while those before it compile."""
    reached = None
    for level in range(settings.pyramid_size):
        reached, _ = dream_batch_level.ahead(
            network, reached, starts, clips, settings=settings, level=level
        )


@programs.Kept
@jax.jit
def _by_level(climbs):
    """The `Climb`s of levels, arrays (clips, steps), as one of arrays (clips, levels, steps)."""
    return jax.tree.map(lambda *levels: jnp.stack(levels, axis=1), *climbs)


@programs.Kept
@functools.partial(jax.jit, static_argnames=("settings", "level"))
def dream_batch_level(network, reached, starts, clips, *, settings, level):
    """`dream_level` of a batch: arguments and results have an axis of clips."""
    dream_one = functools.partial(dream_level, settings=settings, level=level)
    return devices.over_clips(dream_one, shared=1)(network, reached, starts, clips)


def dream_level(network, reached, start, clip, *, settings, level):
    """One level for one clip: enter it, ascend; ((what was changed, optimizer's state), `Climb`).

    `reached` is what the level before returned first; None at the first.
    """
    shapes, roll = settings.level_shapes(start.spectrogram.shape), clip.rolls[level]
    detail_factor = clip.detail_factor if settings.replace_detail else 0
    see, (changed, state) = start.eye(shapes[level]), reached or (start.start(), None)
    network = prepared(network, shapes[level], settings.layers)
    carried = functools.partial(optimizers.carried, state, wanted=clip.steps.carry_state)
    end, climb = ascent.ascend(
        lambda seen: response(
            network,
            start.balance(interpolate.roll_time(seen, roll)),
            clip.layer_weights,
            clip.target_class,
            settings=settings,
        ),
        start.enter(changed, shapes, level, detail_factor),
        optimizers.chain(settings.optimizers, clip.steps, total=settings.num_iterations, roll=roll),
        steps=settings.num_iterations,
        see=see,
        limit=start.limit(),
        go_on=carried if level else lambda fresh: fresh,
        keep_path=settings.keep_path,
    )
    return (end.changed, end.state), climb


def prepared(network, shape, layers):
    """`network` for many looks at spectrograms of `shape`: it responds the same, and is faster.

    Where maps have fewer cells than `avgpool`, `linear1` is made smaller.
    """
    least = smallest_side(deepest(layers))
    bands, frames = shape[0], shape[1] * interpolate.repeats(shape[1], at_least=least)
    cells = [side // smallest_side("avgpool") for side in (bands, frames)]
    reached = LAYERS.index(deepest(layers)) >= LAYERS.index("linear1")
    if not reached or "avgpool" in layers or math.prod(cells) >= POOLED**2:
        return network
    smaller = nnx.merge(*network)
    smaller.pool_in_linear1(*cells)
    return nnx.split(smaller)


def response(network, spectrogram, weights, target_class, *, settings):
    """The objective of one spectrogram (mel bands, frames), with the `layer_weights` of a clip."""
    heard = interpolate.repeat_time(spectrogram, at_least=smallest_side(deepest(settings.layers)))
    responses = windows.respond(network, heard, settings.layers)
    return objective(
        responses,
        {layer: weights[LAYERS.index(layer)] for layer in responses},
        target_class,
        class_objective=settings.class_objective,
    )


@programs.Kept
@jax.jit
def class_probabilities(network, spectrograms):
    """The probability of each class, (clips, classes), of standardised (clips, bands, frames).

    A spectrogram too short for the network is heard as if it were repeated.
    """
    heard = interpolate.repeat_time(spectrograms, at_least=smallest_side(CLASS_LAYER))
    of_clip = lambda clip: windows.respond(network, clip, (CLASS_LAYER,))[CLASS_LAYER]  # noqa: E731
    logits = jax.vmap(of_clip)(heard)
    return jax.nn.softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
