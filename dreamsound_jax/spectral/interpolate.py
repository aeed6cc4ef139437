"""Resizing, interpolating, rolling and repeating spectrograms."""

import functools

import jax.numpy as jnp
import numpy as np


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
