"""Winograd's F(4 x 4, 3 x 3): a 3 x 3 convolution with a quarter of the multiplications.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015. A map is cut into tiles
of 6 x 6 cells, which overlap by 2. Tiles and kernel are transformed, and multiplied point by point,
all channels at once: a matrix product for each of 36 points. What comes out is transformed to 4 x 4
cells. Transforms are matrix products, too, down the rows and then along the columns: as sums they
would run no faster, and compile for three times as long.
"""

import math

import jax.numpy as jnp
import numpy as np

# Tiles a channel: from so many on, XLA:CPU is faster with the tiles first, else with the kernel (32
# tiles of 512 channels: 4.7 ms, not 8.3).
MANY_TILES = 1 / 4
STEP = 4  # from one tile to the next
TILE = 6
OF_TILE = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
OF_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
TO_CELLS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def convolve(x, kernel):
    """(batch, height, width, channels in) with a kernel `of_kernel`, zero-padded.

    In float32 within 1e-4 of the largest value.
    """
    _, height, width, _ = x.shape
    down, along = -(-height // STEP), -(-width // STEP)
    beyond = ((1, STEP * down - height + 1), (1, STEP * along - width + 1))
    rows = _transform(OF_TILE, _tiles(jnp.pad(x, ((0, 0), *beyond, (0, 0))), 1, down))
    points = _transform(OF_TILE, _tiles(rows, 3, along))
    columns = _transform(TO_CELLS, _products(points, kernel)).swapaxes(0, 1)
    return _map(_transform(TO_CELLS, columns))[:, :height, :width]


def of_kernel(kernel):
    """(3, 3, channels in, channels out) transformed: (columns, rows, channels out, channels in)."""
    both = np.einsum("jb,ia->jiab", OF_KERNEL, OF_KERNEL).reshape(TILE**2, -1)
    points = both.astype(kernel.dtype) @ kernel.swapaxes(2, 3).reshape(both.shape[1], -1)
    return points.reshape(TILE, TILE, kernel.shape[3], kernel.shape[2])


def _products(points, kernel):
    """Over the channels in, point by point: (columns of a tile, rows, batch, down, along, out)."""
    if MANY_TILES * kernel.shape[2] < math.prod(points.shape[2:5]):
        return jnp.einsum("jintwc,jioc->jintwo", points, kernel)
    # Were the channels asked for at the end, einsum would put the tiles first again.
    return jnp.moveaxis(jnp.einsum("jioc,jintwc->jiontw", kernel, points), 2, -1)


def _transform(matrix, parts):
    """The product of a matrix and the first axis of `parts`."""
    return jnp.tensordot(jnp.asarray(matrix, parts.dtype), parts, 1)


def _tiles(x, axis, count):
    """`count` tiles along an axis, their cells as the first axis."""
    cells = [np.s_[cell : cell + STEP * (count - 1) + 1 : STEP] for cell in range(TILE)]
    return jnp.stack([x[(np.s_[:],) * axis + (cell,)] for cell in cells])


def _map(tiles):
    """(rows of a tile, columns, batch, tiles down, along, channels) as one map."""
    _, _, batch, down, along, channels = tiles.shape
    in_place = tiles.transpose(2, 3, 0, 4, 1, 5)
    return in_place.reshape(batch, STEP * down, STEP * along, channels)
