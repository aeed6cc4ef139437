"""The 3 x 3 convolution of VGG19, in the way that is fastest for its shape.

On CPU there are three ways, as measured by `python scripts/benchmark.py --parts=convolution`. GPU
and TPU are left to XLA.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax import winograd

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


def in_one_batch(way):
    """`way` of (batch, ...) and a kernel; `vmap` of it makes the batch larger, and adds no axis.

    So the choice of a way sees all clips, and no axis stands in the way of products: at four clips
    a dream is at least 1.05 times as fast.
    """
    batched = jax.custom_batching.custom_vmap(way)

    @batched.def_vmap
    def of_clips(clips, mapped, x, kernel):
        x_mapped, kernel_mapped = mapped
        if kernel_mapped:
            return jax.vmap(way, in_axes=(0 if x_mapped else None, 0))(x, kernel), True
        together = batched(x.reshape(-1, *x.shape[2:]), kernel)
        return together.reshape(clips, -1, *together.shape[1:]), True

    return batched


@jax.custom_vjp
def convolve(x, kernel):
    """Convolves (cross-correlates) with a 3 x 3 kernel, stride 1, zero padding ("same").

    Args:
      x: activations (batch, height, width, channels in).
      kernel: weights (3, 3, channels in, channels out), of the same dtype.

    Returns:
      Activations (batch, height, width, channels out).
    """
    return _in_the_fastest_way(x, kernel)


@in_one_batch
def _in_the_fastest_way(x, kernel):
    return fastest(x.shape, kernel)(x, kernel)


def fastest(shape, kernel):
    """The way for activations of a shape, or for their gradient: `by_xla`, `by_product` or
    `winograd.convolve`.
    """
    if jax.default_backend() != "cpu":
        return by_xla
    batch, height, width, _ = shape
    channels_in, channels_out = kernel.shape[2:]
    # XLA:CPU is naive where a kernel is larger than the map.
    if channels_in == 1 or min(height, width) < 3 or batch * height * width <= FEW_CELLS:
        return by_product
    many = channels_in * channels_out >= MANY_PAIRS
    return winograd.convolve if many and kernel.dtype in EXACT else by_xla


def rounding(x):
    """By how much equal cells of an activation may differ: (batch, height, width, 1), or 0 in half
    precision.
    """
    if x.dtype not in EXACT:
        return 0
    largest = jnp.abs(x).max(axis=-1, keepdims=True)
    return APART * jnp.finfo(x.dtype).eps * jax.lax.stop_gradient(largest)


def by_xla(x, kernel):
    """As XLA does it."""
    return jax.lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_product(x, kernel):
    """As one matrix product: the nine neighbours of a cell, side by side, with the kernel.

    They are gathered by index: as nine slices they would compile for twice as long.
    """
    height, width = x.shape[1:3]
    rows, columns = (np.arange(side)[:, None] + np.arange(3) for side in (height, width))
    neighbours = _padded(x)[:, rows[:, None, :, None], columns[None, :, None, :]]
    neighbours = neighbours.reshape(*x.shape[:3], 9 * x.shape[3])
    return neighbours @ kernel.reshape(9 * x.shape[3], -1)


def _by_slices(x, kernel):
    """`by_product` to be transposed: of slices that is a sum, of an index a slow scatter."""
    height, width = x.shape[1:3]
    shifts = np.ndindex(3, 3)
    slices = [_padded(x)[:, down : down + height, along : along + width] for down, along in shifts]
    return jnp.concatenate(slices, axis=-1) @ kernel.reshape(9 * x.shape[3], -1)


def _padded(x):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _forward(x, kernel):
    return convolve(x, kernel), (x, kernel)


def _backward(saved, gradient):
    x, kernel = saved
    (for_kernel,) = jax.linear_transpose(functools.partial(by_xla, x), kernel)(gradient)
    return input_gradient(gradient, kernel), for_kernel


@in_one_batch
def input_gradient(gradient, kernel):
    """The gradient with respect to `x`, of one with respect to the result of `convolve`.

    In a loop XLA:CPU keeps its fast path for what looks like a convolution forwards (jax issue
    12868), and this is one, with the kernel turned round. A product needs no turned kernel, and
    turning it again at each step would take longer than the product.
    """
    way = fastest(gradient.shape, kernel)
    if way is by_product:
        x = jax.ShapeDtypeStruct((*gradient.shape[:3], kernel.shape[2]), gradient.dtype)
        return jax.linear_transpose(lambda x: _by_slices(x, kernel), x)(gradient)[0]
    return way(gradient, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))


convolve.defvjp(_forward, _backward)
