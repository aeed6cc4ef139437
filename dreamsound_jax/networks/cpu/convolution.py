"""The 3 x 3 convolution of VGG19, in the way that is fastest for its shape.

On CPU there are three ways, as measured by `python scripts/benchmark.py --parts=convolution`. GPU
and TPU are left to XLA.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.networks.cpu import winograd

# Up to so many cells, of all clips of a batch together, one matrix product over all neighbours is
# faster than Winograd's products, which read kernels of four times the size.
FEW_CELLS = 256
# From so many pairs of channels on, Winograd's transforms cost less than what they save.
MANY_PAIRS = 64 * 128
EXACT = (jnp.float32, jnp.float64)  # Winograd's sums cancel: fewer bits are not enough
# Relative to the largest channel of a cell, in units of the last place. Cells of a flat floor are
# equal, but come out of Winograd's transforms apart: with 2, the first step of the reference's
# dreams is missed, as some ties are broken; with 16, as some that are none are made. 4 and 8 do.
APART = 6


class Forms(NamedTuple):
    """A kernel, turned as the ways want it.

    Made with the network and kept, a dream by relu5_4 is 1.14 times as fast as if each level made
    its own.

    Attributes:
      rows: the weights of each channel out, (channels out, 9 * channels in), for `by_product`.
      points: for `by_winograd`, or None; see `winograd.of_kernel`.
      points_back: for its gradient.
    """

    rows: jax.Array
    points: jax.Array | None = None
    points_back: jax.Array | None = None


def forms_of(kernel):
    """The `Forms` of a kernel; NumPy's arrays of NumPy's, for which nothing need be compiled."""
    rows = kernel.reshape(-1, kernel.shape[3]).T
    if not _pays_for_winograd(kernel):
        return Forms(rows)
    return Forms(rows, *map(winograd.of_kernel, (kernel, _turned_round(kernel))))


def in_one_batch(way):
    """`way` of (batch, ...), a kernel and its `Forms`; `vmap` of it makes the batch larger, and
    adds no axis.

    So the choice of a way sees all clips, and no axis stands in the way of products: at four clips
    a dream is 1.05 times as fast.
    """
    way = jax.jit(way)  # is traced once a shape, not three times a layer
    batched = jax.custom_batching.custom_vmap(way)

    @batched.def_vmap
    def of_clips(clips, mapped, x, kernel, forms):
        x_mapped, kernel_mapped, forms_mapped = mapped
        if kernel_mapped:
            axes = jax.tree.map(lambda each: 0 if each else None, (x_mapped, True, forms_mapped))
            return jax.vmap(way, in_axes=axes)(x, kernel, forms), True
        together = batched(x.reshape(-1, *x.shape[2:]), kernel, forms)
        return together.reshape(clips, -1, *together.shape[1:]), True

    return batched


def convolve(x, kernel, forms=None):
    """Convolves (cross-correlates) with a 3 x 3 kernel, stride 1, zero padding ("same").

    Args:
      x: activations (batch, height, width, channels in).
      kernel: weights (3, 3, channels in, channels out), of the same dtype.
      forms: its `Forms`, if they are at hand; no gradient goes through them.

    Returns:
      Activations (batch, height, width, channels out).
    """
    return _convolve(x, kernel, forms or forms_of(kernel))


@jax.custom_vjp
def _convolve(x, kernel, forms):
    return _in_the_fastest_way(x, kernel, forms)


@in_one_batch
def _in_the_fastest_way(x, kernel, forms):
    return fastest(x.shape, kernel)(x, kernel, forms)


def fastest(shape, kernel):
    """The way for activations of a shape, or for their gradient: `by_xla`, `by_product` or
    `by_winograd`.
    """
    if jax.default_backend() != "cpu":
        return by_xla
    batch, height, width, _ = shape
    # XLA:CPU is naive where a kernel is larger than the map.
    if kernel.shape[2] == 1 or min(height, width) < 3 or batch * height * width <= FEW_CELLS:
        return by_product
    return by_winograd if _pays_for_winograd(kernel) else by_xla


def _pays_for_winograd(kernel):
    return kernel.shape[2] * kernel.shape[3] >= MANY_PAIRS and kernel.dtype in EXACT


def rounding(x):
    """By how much equal cells of an activation may differ: (batch, height, width, 1), or 0 in half
    precision.
    """
    if x.dtype not in EXACT:
        return 0
    largest = jnp.abs(x).max(axis=-1, keepdims=True)
    return APART * jnp.finfo(x.dtype).eps * largest


def by_xla(x, kernel, forms=None):
    """As XLA does it."""
    return jax.lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_winograd(x, kernel, forms):
    """With a quarter of the multiplications."""
    return winograd.convolve(x, forms.points)


def by_product(x, kernel, forms):
    """As one matrix product: the nine neighbours of a cell, side by side, with the kernel.

    They are gathered by index: as nine slices they would compile for twice as long.
    """
    height, width = x.shape[1:3]
    rows, columns = (np.arange(side)[:, None] + np.arange(3) for side in (height, width))
    neighbours = _padded(x)[:, rows[:, None, :, None], columns[None, :, None, :]]
    return _by_rows(neighbours.reshape(*x.shape[:3], 9 * x.shape[3]), forms.rows)


def _back_by_product(gradient, kernel):
    neighbours = _by_rows(gradient, kernel.reshape(-1, kernel.shape[3]))
    x = jax.ShapeDtypeStruct((*gradient.shape[:3], kernel.shape[2]), gradient.dtype)
    return jax.linear_transpose(_by_slices, x)(neighbours)[0]


def _by_rows(x, rows):
    """`x @ rows.T` of (batch, height, width, features).

    XLA:CPU reads its first factor where it lies, and packs its second, which takes longer than the
    product if that is large: (8, 4608) @ (4608, 512) takes 2.3 ms, and 0.6 the other way round.
    """
    if x.size > rows.size:
        return x @ rows.T
    rows_first = rows @ x.reshape(-1, x.shape[3]).T
    return rows_first.reshape(len(rows), *x.shape[:3]).transpose(1, 2, 3, 0)


def _by_slices(x):
    """The neighbours of each cell, to be transposed: of slices that is a sum, of an index a slow
    scatter.
    """
    height, width = x.shape[1:3]
    shifts = np.ndindex(3, 3)
    slices = [_padded(x)[:, down : down + height, along : along + width] for down, along in shifts]
    return jnp.concatenate(slices, axis=-1)


def _padded(x):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _forward(x, kernel, forms):
    return _convolve(x, kernel, forms), (x, kernel, forms)


def _backward(saved, gradient):
    x, kernel, forms = saved
    return input_gradient(gradient, kernel, forms), _kernel_gradient(gradient, x, kernel), None


@jax.jit  # is traced once a shape, not once a layer
def _kernel_gradient(gradient, x, kernel):
    return jax.linear_transpose(functools.partial(by_xla, x), kernel)(gradient)[0]


@in_one_batch
def input_gradient(gradient, kernel, forms):
    """The gradient with respect to `x`, of one with respect to the result of `convolve`.

    In a loop XLA:CPU keeps its fast path for what looks like a convolution forwards (jax issue
    12868), and this is one, with the kernel turned round. A product needs no turned kernel.
    """
    way = fastest(gradient.shape, kernel)
    if way is by_product:
        return _back_by_product(gradient, kernel)
    return way(gradient, _turned_round(kernel), forms._replace(points=forms.points_back))


def _turned_round(kernel):
    return kernel[::-1, ::-1].swapaxes(2, 3)


_convolve.defvjp(_forward, _backward)
