"""The pyramid: level shapes, nearest resize, the detail that shrinking lost, and the roll.

Levels are numbered 0 (smallest) to size - 1 (the clip's own shape).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

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


def resize(image, shape):
    """Nearest-neighbour resize of (height, width) by PyTorch's rule."""
    rows, columns = (nearest(side, out) for side, out in zip(image.shape, shape))
    return image[rows][:, columns]


def nearest(side, out):
    """Which of `side` cells each of `out` cells is taken from: floor(i * side / out)."""
    return np.arange(out) * side // out


def spread(image, shape):
    """Linear interpolation of an array to a larger shape; beyond the outer centres it is flat.

    As `jax.image.resize`, whose matrix of all frames by all frames takes gigabytes for minutes.
    """
    for axis, (side, out) in enumerate(zip(image.shape, shape)):
        if out != side:
            image = between(image, (np.arange(out) + 0.5) * side / out - 0.5, axis=axis)
    return image


def between(image, places, *, axis):
    """What is at `places` between the cells of an array along an axis, interpolated linearly."""
    last = image.shape[axis] - 1
    places = np.clip(places, 0, last)
    before = np.floor(places).astype(int)
    others = [other for other in range(image.ndim) if other != axis]
    share = jnp.asarray(np.expand_dims(places - before, others), image.dtype)
    at = functools.partial(jnp.take, image, axis=axis, mode="clip")
    return (1 - share) * at(before) + share * at(np.minimum(before + 1, last))


def lost_detail(original, shape, last_shape):
    """What `original` has at `shape` and lost on the way through the smaller `last_shape`."""
    return resize(original, shape) - resize(resize(original, last_shape), shape)


def draw_rolls(key, *, size, ratio, roll):
    """A shift in frames for each level, uniform in [0, round(roll * ratio ** (level - size + 1))).

    A range that rounds to 0 means no roll. `ratio` and `roll` may be traced. Returns (size,) int32.
    """
    ranges = jnp.round(roll * ratio ** (jnp.arange(size) - size + 1.0)).astype(jnp.int32)
    return jax.random.randint(key, (size,), 0, ranges, dtype=jnp.int32)


def repeat_time(image, *, at_least):
    """Repeats (..., mel bands, frames) whole along time until it has `at_least` so many frames.

    The reference fails where a short clip vanishes in the poolings before a layer.
    """
    times = repeats(image.shape[-1], at_least=at_least)
    return jnp.concatenate([image] * times, axis=-1) if times > 1 else image


def repeats(frames, *, at_least):
    """How often so many frames are heard, one after the other, to be `at_least` so many."""
    return -(-at_least // frames)


def roll_time(image, frames):
    """Rolls (mel bands, frames) along time by `frames`, which may be traced; it wraps round."""
    return jnp.roll(image, frames, axis=1)
