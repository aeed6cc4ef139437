"""The random keys of a clip, one for each thing that is drawn."""

from typing import NamedTuple

import jax
from jax.typing import ArrayLike

from dreamsound_jax.system.programs import keep_traces


class Keys(NamedTuple):
    """Random keys: of the noise, the target class, the pyramid's rolls, and the first phase."""

    noise: jax.Array
    target: jax.Array
    rolls: jax.Array
    phase: jax.Array

    @property
    def views(self) -> jax.Array:
        """The key of the views of its steps."""
        return jax.random.fold_in(self.rolls, 1)


@keep_traces
@jax.jit
def draw_keys(seed: ArrayLike, draw: ArrayLike) -> Keys:
    """Returns the keys of a clip.

    They depend on the seed and the number of the draw alone, so that a clip comes out the same
    alone, in a batch, and on any number of devices.
    """
    clip_key = jax.random.fold_in(jax.random.key(seed), draw)
    return Keys(*jax.random.split(clip_key, len(Keys._fields)))


def draw_class(key: jax.Array, classes: int) -> jax.Array:
    """Draws the index of one of so many classes."""
    return jax.random.randint(key, (), 0, classes)
