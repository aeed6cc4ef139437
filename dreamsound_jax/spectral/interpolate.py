"""Resizing, rolling and repeating spectrograms.

Spectrograms are (mel bands, frames).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def resize_nearest(image: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Resizes (height, width) to `shape`, each cell from its nearest, by PyTorch's rule."""
    rows, columns = (nearest_indices(side, out) for side, out in zip(image.shape, shape))
    return image[rows][:, columns]


def nearest_indices(side: int, out: int) -> np.ndarray:
    """Returns which of `side` cells each of `out` cells is taken from: floor(i * side / out)."""
    return np.arange(out) * side // out


def resize_largest(image: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Resizes (height, width) to `shape`, which is not larger: each cell is the largest of its own.

    Its own cells are those from its nearest, by `nearest_indices`, up to that of the next cell.
    """
    for axis, (side, out) in enumerate(zip(image.shape, shape)):
        owners = np.searchsorted(nearest_indices(side, out), np.arange(side), side="right") - 1
        columns = jnp.moveaxis(image, axis, 0)
        largest = jax.ops.segment_max(columns, owners, out, indices_are_sorted=True)
        image = jnp.moveaxis(largest, 0, axis)
    return image


def resize_linear(image: jax.Array, shape: tuple[int, ...], *, circular: bool = False) -> jax.Array:
    """Resizes an array to a larger shape by linear interpolation; it is flat beyond the rim.

    As `jax.image.resize`, whose matrix of all frames by all frames takes gigabytes and minutes.

    Args:
      image: an array, whose second axis is time.
      shape: the new one.
      circular: whether the end of time runs into its beginning.
    """
    for axis, (side, out) in enumerate(zip(image.shape, shape)):
        if out != side:
            positions = (np.arange(out) + 0.5) * side / out - 0.5
            image = interpolate(image, positions, axis=axis, circular=circular and axis == 1)
    return image


def interpolate(
    image: jax.Array, positions: np.ndarray, *, axis: int, circular: bool = False
) -> jax.Array:
    """Interpolates linearly between the cells of an array along an axis.

    Args:
      image: an array.
      positions: in cells, (out,); those beyond the first or the last cell take its value.
      axis: the axis of `image` that `positions` replaces.
      circular: whether the last cell is followed by the first instead.
    """
    if circular:
        image = jnp.take(image, np.arange(-1, image.shape[axis] + 1), axis=axis, mode="wrap")
        positions = positions + 1
    last = image.shape[axis] - 1
    positions = np.clip(positions, 0, last)
    before = np.floor(positions).astype(int)
    other_axes = [other for other in range(image.ndim) if other != axis]
    share = jnp.asarray(np.expand_dims(positions - before, other_axes), image.dtype)
    take = functools.partial(jnp.take, image, axis=axis, mode="clip")
    return (1 - share) * take(before) + share * take(np.minimum(before + 1, last))


def repeat_time(image: jax.Array, *, frames: int) -> jax.Array:
    """Repeats (..., mel bands, frames) along time to `frames` frames, which are at least as many.

    The reference fails where a short clip vanishes in the poolings before a layer.
    """
    times = -(-frames // image.shape[-1])
    return jnp.concatenate([image] * times, axis=-1)[..., :frames] if times > 1 else image


def roll_time(image: jax.Array, frames: jax.Array | int) -> jax.Array:
    """Rolls (mel bands, frames) along time by `frames`, which may be traced."""
    return jnp.roll(image, frames, axis=1)
