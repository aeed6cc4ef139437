"""A dream: spectrograms go up the pyramid, and at each level up the gradient."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from dreamsound_jax import ascent, pyramid
from dreamsound_jax.objectives import objective
from dreamsound_jax.vgg19 import deepest, smallest_side


@dataclass(frozen=True)
class Settings:
    """What a compiled dream depends on; see the flags of the same names."""

    layers: tuple[str, ...] = ("relu5_4",)
    class_objective: str = "towards"
    pyramid_size: int = 3
    pyramid_ratio: float = 2.0
    replace_detail: bool = True
    num_iterations: int = 10
    optimizer: str = "sgd"

    def level_shapes(self, shape):
        """The pyramid for a clip of `shape`; UserError if a layer cannot see its smallest level."""
        shapes = pyramid.level_shapes(shape, size=self.pyramid_size, ratio=self.pyramid_ratio)
        layer = deepest(self.layers)
        pyramid.check_sides(shapes, at_least=smallest_side(layer), reason=f"layer {layer}")
        return shapes


class Clip(NamedTuple):
    """What may differ from clip to clip in one compiled dream: scalars, and `rolls` (levels,)."""

    learning_rate: jax.Array
    smoothing_coefficient: jax.Array
    detail_factor: jax.Array
    target_class: jax.Array
    rolls: jax.Array


def dream(network, spectrograms, clips, *, settings, after_level=lambda climb: None):
    """Dreams a batch of clips; one compiled program for each level shape.

    Args:
      network: (graphdef, state) of a VGG19, as `flax.nnx.split` gives it.
      spectrograms: (clips, mel bands, frames), standardised.
      clips: a `Clip` whose leaves have a leading axis of clips.
      settings: a `Settings`.
      after_level: called with the `Climb` of each level, for a progress bar.

    Returns:
      The dreamed spectrograms, and a `Climb` of arrays (clips, levels, steps).

    Raises:
      UserError: the pyramid is too deep for the clips, or for a layer.
    """
    settings.level_shapes(spectrograms.shape[1:])
    current, climbs = spectrograms, []
    for level in range(settings.pyramid_size):
        current, climb = _dream_level(
            network, current, spectrograms, clips, settings=settings, level=level
        )
        climbs.append(climb)
        after_level(climb)
    return current, jax.tree.map(lambda *steps: jnp.stack(steps, axis=1), *climbs)


@functools.partial(jax.jit, static_argnames=("settings", "level"))
def _dream_level(network, current, originals, clips, *, settings, level):
    dream_one = functools.partial(dream_level, settings=settings, level=level)
    return jax.vmap(dream_one, in_axes=(None, 0, 0, 0))(network, current, originals, clips)


def dream_level(network, current, original, clip, *, settings, level):
    """One level for one clip: enter it, roll, ascend, roll back; (spectrogram, Climb)."""
    roll = clip.rolls[level]
    entered = enter_level(current, original, clip.detail_factor, settings=settings, level=level)
    dreamed, climb = ascent.ascend(
        functools.partial(response, network, target_class=clip.target_class, settings=settings),
        pyramid.roll_time(entered, roll),
        ascent.reference_chain(
            settings.optimizer,
            clip.learning_rate,
            steps=settings.num_iterations,
            smoothing_coefficient=clip.smoothing_coefficient,
        ),
        steps=settings.num_iterations,
    )
    return pyramid.roll_time(dreamed, -roll), climb


def enter_level(current, original, detail_factor, *, settings, level):
    """Brings the dream so far to the shape of `level`, and gives back what shrinking had lost."""
    shapes = settings.level_shapes(original.shape)
    entered = pyramid.resize(current, shapes[level])
    if level > 0 and settings.replace_detail:
        lost = pyramid.lost_detail(original, shapes[level], shapes[level - 1])
        entered = entered + detail_factor * lost
    return entered


def response(network, spectrogram, *, target_class, settings):
    """The objective of one spectrogram (mel bands, frames)."""
    activations = nnx.merge(*network)(spectrogram[None], settings.layers)
    return objective(
        {layer: values[0] for layer, values in activations.items()},
        target_class,
        class_objective=settings.class_objective,
    )


@jax.jit
def class_probabilities(network, spectrograms):
    """The probability of each class, (clips, classes), of standardised (clips, bands, frames)."""
    logits = nnx.merge(*network)(spectrograms)["output"]
    return jax.nn.softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
