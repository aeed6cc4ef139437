"""What happens to a gradient before the optimizer: it is smoothed and standardised."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

BLUR_RADIUS = 4
BLUR_SCALES = (0.5, 1.0, 2.0)


def smooth(
    *, steps: int, coefficient: ArrayLike, circular: bool = False
) -> optax.GradientTransformation:
    """Blurs the gradient, less at first and more later, as the reference does.

    At step i of n, the standard deviation is 2 (i + 1) / n + `coefficient`, in cells; see `blur`.

    Args:
      steps: n.
      coefficient: may be traced.
      circular: whether the end of time runs into its beginning.
    """

    def update(gradient, count, params=None):
        del params
        # The quotient of two integers would be rounded to float32.
        done = (count + 1).astype(gradient.dtype) / steps
        return blur(gradient, 2 * done + coefficient, circular=circular), count + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


def blur(image: jax.Array, sigma: jax.Array | float, *, circular: bool = False) -> jax.Array:
    """Returns the mean of three Gaussian blurs of (rows, columns), with reflected edges.

    If `circular`, the last column is followed by the first instead. The kernels have 9 x 9 cells,
    and standard deviations of 0.5, 1 and 2 times `sigma`.
    """
    sigmas = sigma * jnp.asarray(BLUR_SCALES, image.dtype)
    offsets = jnp.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=image.dtype)
    weights = jnp.exp(-jnp.square(offsets / sigmas[:, None]) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    if circular:
        image = jnp.pad(image, ((0, 0), (BLUR_RADIUS, BLUR_RADIUS)), mode="wrap")
        padded = jnp.pad(image, ((BLUR_RADIUS, BLUR_RADIUS), (0, 0)), mode="reflect")
    else:
        padded = jnp.pad(image, BLUR_RADIUS, mode="reflect")

    def blur_by(row):
        return _correlate(_correlate(padded, row, axis=0), row, axis=1)

    return jax.vmap(blur_by)(weights).mean(axis=0)


def _correlate(image, weights, *, axis):
    """Returns the weighted sum of shifted slices.

    Written out, XLA:CPU would compile a kernel for each slice, and run no faster than the loop;
    elsewhere the compiler fuses them.
    """
    kept = image.shape[axis] - 2 * BLUR_RADIUS

    def add(shift, total):
        return total + weights[shift] * jax.lax.dynamic_slice_in_dim(image, shift, kept, axis)

    zeros = jnp.zeros_like(jax.lax.slice_in_dim(image, 0, kept, axis=axis))
    unroll = jax.default_backend() != "cpu"
    return jax.lax.fori_loop(0, weights.size, add, zeros, unroll=unroll)


def standardise(*, inside: jax.Array | None = None) -> optax.GradientTransformation:
    """Subtracts the gradient's mean and divides by its standard deviation (ddof 1).

    The gradient is first scaled to a largest value of 1, so that a tiny one does not underflow. A
    flat gradient, which the reference turns into NaN, becomes zero.

    Args:
      inside: of which cells mean and deviation are taken; None for all of them.
    """

    def update(gradient, params=None):
        del params
        largest = jnp.abs(gradient).max()
        scaled = gradient / jnp.where(largest > 0, largest, 1)
        deviation = scaled.std(ddof=1, where=inside)
        return (scaled - scaled.mean(where=inside)) / jnp.where(deviation > 0, deviation, 1)

    return optax.stateless(update)
