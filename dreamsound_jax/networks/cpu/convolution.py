"""The 3 x 3 convolution on CPU: one of three methods, by the shape of the activation.

`python scripts/benchmark.py --parts=convolution` measures them. `networks/convolution.py` chooses
between this file and XLA.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.networks.cpu import winograd

# With at most so many cells in a batch, one matrix product over all neighbours is faster than
# Winograd's products, which read kernels of four times the size.
FEW_CELLS = 256
# XLA:CPU has no fast path where a kernel is larger than the map.
SMALLEST_SIDE = 3
# With at least so many pairs of channels, Winograd's transforms cost less than they save.
MANY_PAIRS = 64 * 128
# Winograd's sums cancel, so that fewer bits are not enough.
WINOGRAD_TYPES = (jnp.float32, jnp.float64)
# Cells of a flat floor are equal, but differ after Winograd's transforms. They count as equal
# within so many units in the last place of the largest channel of a cell. With 2, some ties are
# missed and the first step of the reference's dreams is not reproduced; with 16, false ties are
# found. 4 and 8 reproduce it.
TIE_UNITS = 6


class Forms(NamedTuple):
    """A kernel in the layouts that the methods read.

    They are made once with the network: a dream by relu5_4 is then 1.14 times as fast as when each
    level makes its own.

    Attributes:
      rows: the weights of each channel out, (channels out, 9 * channels in), for `by_product`.
      points: for `by_winograd`, as `winograd.transform_kernel` gives them, or None.
      points_back: for the gradient of `by_winograd`, or None.
    """

    rows: jax.Array | np.ndarray
    points: jax.Array | np.ndarray | None = None
    points_back: jax.Array | np.ndarray | None = None


def make_forms(kernel: jax.Array | np.ndarray, *, rows: int | None = None) -> Forms:
    """Returns the `Forms` of a kernel; NumPy arrays of a NumPy array, which compiles nothing.

    `rows` are those of the activations, if they are known.
    """
    transposed = kernel.reshape(-1, kernel.shape[3]).T
    few_rows = rows is not None and rows < SMALLEST_SIDE
    if few_rows or not _suits_winograd(kernel):
        return Forms(transposed)
    return Forms(transposed, *map(winograd.transform_kernel, (kernel, _flip(kernel))))


def in_one_batch(method: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Decorates a function of (batch, ...), a kernel and its `Forms`: `vmap` enlarges the batch.

    Without it, `vmap` would add an axis. With it, the choice of a method sees the cells of all
    clips, and matrix products have no batch axis: at four clips a dream is 1.05 times as fast.
    """
    # A jitted function is traced once per shape, not three times per layer.
    method = jax.jit(method)
    batched = jax.custom_batching.custom_vmap(method)

    @batched.def_vmap
    def of_clips(clips, mapped, x, kernel, forms):
        x_mapped, kernel_mapped, forms_mapped = mapped
        if kernel_mapped:
            axes = jax.tree.map(lambda each: 0 if each else None, (x_mapped, True, forms_mapped))
            return jax.vmap(method, in_axes=axes)(x, kernel, forms), True
        together = batched(x.reshape(-1, *x.shape[2:]), kernel, forms)
        return together.reshape(clips, -1, *together.shape[1:]), True

    return batched


def convolve(x: jax.Array, kernel: jax.Array, forms: Forms | None = None) -> jax.Array:
    """Convolves (cross-correlates) with a 3 x 3 kernel, stride 1, zero padding ("same").

    Args:
      x: activations (batch, height, width, channels in).
      kernel: weights (3, 3, channels in, channels out), of the same dtype.
      forms: its `Forms`, if they were made; no gradient goes through them.

    Returns:
      Activations (batch, height, width, channels out).
    """
    return _convolve(x, kernel, forms or make_forms(kernel))


@jax.custom_vjp
def _convolve(x, kernel, forms):
    return _convolve_batch(x, kernel, forms)


@in_one_batch
def _convolve_batch(x, kernel, forms):
    return choose_method(x.shape, kernel)(x, kernel, forms)


def choose_method(
    shape: tuple[int, ...], kernel: jax.Array | np.ndarray
) -> Callable[[jax.Array, jax.Array, Forms], jax.Array]:
    """Returns the method for activations of a shape, or for their gradient."""
    batch, height, width, _ = shape
    is_small = min(height, width) < SMALLEST_SIDE or batch * height * width <= FEW_CELLS
    if kernel.shape[2] == 1 or is_small:
        return by_product
    return by_winograd if _suits_winograd(kernel) else by_xla


def _suits_winograd(kernel):
    return kernel.shape[2] * kernel.shape[3] >= MANY_PAIRS and kernel.dtype in WINOGRAD_TYPES


def tie_tolerance(x: jax.Array) -> jax.Array | int:
    """By how much equal cells of an activation may differ: (batch, height, width, 1), or 0.

    It is 0 in half precision, for which Winograd's method is not used.
    """
    if x.dtype not in WINOGRAD_TYPES:
        return 0
    largest = jnp.abs(x).max(axis=-1, keepdims=True)
    return TIE_UNITS * jnp.finfo(x.dtype).eps * largest


def by_xla(x: jax.Array, kernel: jax.Array, forms: Forms | None = None) -> jax.Array:
    """Convolves as XLA does."""
    return jax.lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_winograd(x: jax.Array, kernel: jax.Array, forms: Forms) -> jax.Array:
    """Convolves by Winograd's method, with a quarter of the multiplications."""
    assert forms.points is not None, "the kernel does not suit Winograd's method"
    return winograd.convolve(x, forms.points)


def by_product(x: jax.Array, kernel: jax.Array, forms: Forms) -> jax.Array:
    """Convolves by one matrix product of the nine neighbours of each cell with the kernel.

    The neighbours are gathered by index: nine slices would compile for twice as long.
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
    """Returns `x @ rows.T` of (batch, height, width, features).

    XLA:CPU packs the second factor of a product, which takes longer than the product itself if the
    factor is large: (8, 4608) @ (4608, 512) takes 2.3 ms, and 0.6 ms with the factors exchanged.
    """
    if x.size > rows.size:
        return x @ rows.T
    rows_first = rows @ x.reshape(-1, x.shape[3]).T
    return rows_first.reshape(len(rows), *x.shape[:3]).transpose(1, 2, 3, 0)


def _by_slices(x):
    """Returns the neighbours of each cell by slices, whose transpose is a sum.

    The transpose of a gather by index would be a slow scatter.
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


@jax.jit
def _kernel_gradient(gradient, x, kernel):
    return jax.linear_transpose(functools.partial(by_xla, x), kernel)(gradient)[0]


@in_one_batch
def input_gradient(gradient: jax.Array, kernel: jax.Array, forms: Forms) -> jax.Array:
    """Returns the gradient with respect to `x`, from that with respect to the result.

    It is written as a convolution with the flipped kernel: in a loop, XLA:CPU keeps its fast path
    only for what looks like a convolution forwards (jax issue 12868).
    """
    method = choose_method(gradient.shape, kernel)
    if method is by_product:
        return _back_by_product(gradient, kernel)
    return method(gradient, _flip(kernel), forms._replace(points=forms.points_back))


def _flip(kernel):
    return kernel[::-1, ::-1].swapaxes(2, 3)


_convolve.defvjp(_forward, _backward)
