"""The pyramid: level shapes, nearest resize, the detail that shrinking lost, and the roll.

Levels are numbered 0 (smallest) to size - 1 (the clip's own shape).
"""

import jax
import jax.numpy as jnp

from dreamsound_jax.spectral.interpolate import resize
from dreamsound_jax.system.errors import UserError

SMALLEST_SIDE = 8


def level_shapes(shape, *, size, ratio):
    """The shape of each level: round(side * ratio ** (level - size + 1)), half to even.

    Args:
      shape: (mel bands, frames) of the clip.
      size: number of levels.
      ratio: how many times larger each level is than the one before it.

    Returns:
      A list of `size` pairs, small to large.

    Raises:
      UserError: a side would be under 8.
    """
    scales = [ratio ** (level - size + 1) for level in range(size)]
    shapes = [tuple(round(side * scale) for side in shape) for scale in scales]
    smallest = min(shapes, key=min)
    if min(smallest) < SMALLEST_SIDE:
        raise UserError(
            f"{_too_deep(smallest)}, and a pyramid level needs at least {SMALLEST_SIDE} of both "
            "(use a smaller --pyramid_size or --pyramid_ratio, or a longer clip)"
        )
    return shapes


def check_bands(shapes, *, at_least, reason):
    """Raises UserError if one of `shapes` has fewer mel bands than `reason` needs."""
    smallest = min(shapes)
    if smallest[0] < at_least:
        raise UserError(
            f"{_too_deep(smallest)}, and {reason} needs at least {at_least} mel bands "
            "(use a smaller --pyramid_size or --pyramid_ratio)"
        )


def _too_deep(smallest):
    bands, frames = smallest
    return (
        f"the pyramid is too deep for this clip: its smallest level would be {bands} mel bands x "
        f"{frames} frames"
    )


def lost_detail(original, shape, last_shape):
    """What `original` has at `shape` and lost on the way through the smaller `last_shape`."""
    return resize(original, shape) - resize(resize(original, last_shape), shape)


def draw_rolls(key, *, size, ratio, roll):
    """A shift in frames for each level, uniform in [0, round(roll * ratio ** (level - size + 1))).

    A range that rounds to 0 means no roll. `ratio` and `roll` may be traced. Returns (size,) int32.
    """
    ranges = jnp.round(roll * ratio ** (jnp.arange(size) - size + 1.0)).astype(jnp.int32)
    return jax.random.randint(key, (size,), 0, ranges, dtype=jnp.int32)
