"""The pyramid: the shapes of its levels, and how far each is rolled in time.

Levels are numbered 0 (smallest) to size - 1 (the clip's own shape).
"""

import jax
import jax.numpy as jnp

from dreamsound_jax.system.errors import UserError

SMALLEST_SIDE = 8


def level_shapes(shape: tuple[int, ...], *, size: int, ratio: float) -> list[tuple[int, int]]:
    """Returns the shape of each level: round(side * ratio ** (level - size + 1)), half to even.

    Args:
      shape: (mel bands, frames) of the clip.
      size: number of levels.
      ratio: how many times larger each level is than the one before it.

    Returns:
      `size` pairs, small to large.

    Raises:
      UserError: a side would be under 8.

    Example:
      >>> level_shapes((128, 256), size=3, ratio=2.0)
      [(32, 64), (64, 128), (128, 256)]
    """
    scales = [ratio ** (level - size + 1) for level in range(size)]
    bands, frames = shape
    shapes = [(round(bands * scale), round(frames * scale)) for scale in scales]
    smallest = min(shapes, key=min)
    if min(smallest) < SMALLEST_SIDE:
        raise UserError(
            f"{_too_deep(smallest)}, and a pyramid level needs at least {SMALLEST_SIDE} of both "
            "(use a smaller --pyramid_size or --pyramid_ratio, or a longer clip)"
        )
    return shapes


def count_levels(bands: int, *, at_least: int, ratio: float, most: int) -> int:
    """Returns how many levels a pyramid can have if the smallest must have so many mel bands.

    Args:
      bands: mel bands of the clip.
      at_least: mel bands that the smallest level must have; it has never fewer than 8.
      ratio: how many times larger each level is than the one before it.
      most: the number of levels is from 1 to this.

    Example:
      >>> count_levels(128, at_least=16, ratio=2.0, most=3)
      3
      >>> count_levels(64, at_least=32, ratio=2.0, most=3)
      2
    """
    needed = max(at_least, SMALLEST_SIDE)
    counts = range(most, 1, -1)
    return next((count for count in counts if round(bands * ratio ** (1 - count)) >= needed), 1)


def check_bands(shapes: list[tuple[int, int]], *, at_least: int, layer: str) -> None:
    """Raises UserError if a level has fewer mel bands than a layer needs."""
    smallest = min(shapes)
    if smallest[0] < at_least:
        raise UserError(
            f"{_too_deep(smallest)}, and layer {layer} needs at least {at_least} mel bands "
            "(use a smaller --pyramid_size or --pyramid_ratio)"
        )


def _too_deep(smallest):
    bands, frames = smallest
    return (
        f"the pyramid is too deep for this clip: its smallest level would be {bands} mel bands x "
        f"{frames} frames"
    )


def draw_rolls(
    key: jax.Array, *, size: int, ratio: jax.Array | float, roll: jax.Array | float
) -> jax.Array:
    """Draws how many frames each level is rolled in time.

    The roll of a level is uniform in [0, round(roll * ratio ** (level - size + 1))).

    Args:
      key: random key.
      size: number of levels; static.
      ratio: of the pyramid; may be traced.
      roll: range of the roll of the largest level, in frames; may be traced. A range that rounds to
        0 means no roll, where the reference fails.

    Returns:
      (size,) int32.
    """
    ranges = jnp.round(roll * ratio ** (jnp.arange(size) - size + 1.0)).astype(jnp.int32)
    return jax.random.randint(key, (size,), 0, ranges, dtype=jnp.int32)
