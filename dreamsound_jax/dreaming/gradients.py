"""What happens to a gradient before the optimizer: it is smoothed and standardised."""

import jax
import jax.numpy as jnp
import optax

BLUR_RADIUS = 4
BLUR_SCALES = (0.5, 1.0, 2.0)


def smooth(*, steps, coefficient):
    """Blurs the gradient less at first and more later: at step i of n, sigma is 2 (i + 1) / n +
    `coefficient`, which may be traced. The reference's cascade of Gaussians.
    """

    def update(gradient, count, params=None):
        del params
        return blur(gradient, 2 * (count + 1) / steps + coefficient), count + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


def blur(image, sigma):
    """Mean of three 9 x 9 Gaussian blurs, at 0.5, 1 and 2 times `sigma`; edges reflected."""
    sigmas = sigma * jnp.asarray(BLUR_SCALES, image.dtype)
    offsets = jnp.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=image.dtype)
    weights = jnp.exp(-jnp.square(offsets / sigmas[:, None]) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    padded = jnp.pad(image, BLUR_RADIUS, mode="reflect")
    separably = lambda row: _correlate(_correlate(padded, row, axis=0), row, axis=1)  # noqa: E731
    return jax.vmap(separably)(weights).mean(axis=0)


def _correlate(image, weights, *, axis):
    """Weighted sum of shifted slices.

    XLA:CPU would compile a kernel for each of them, were they not added in a loop, and run no
    faster; elsewhere they are written out, for the compiler to fuse.
    """
    kept = image.shape[axis] - 2 * BLUR_RADIUS

    def add(shift, total):
        return total + weights[shift] * jax.lax.dynamic_slice_in_dim(image, shift, kept, axis)

    nothing = jnp.zeros_like(jax.lax.slice_in_dim(image, 0, kept, axis=axis))
    written_out = jax.default_backend() != "cpu"
    return jax.lax.fori_loop(0, weights.size, add, nothing, unroll=written_out)


def standardise():
    """Takes the gradient's mean away and divides by its standard deviation (ddof 1).

    The gradient is first scaled to a largest value of 1, so that a tiny one does not underflow. A
    flat gradient, by which the reference divides to NaN, becomes zero.
    """

    def update(gradient, params=None):
        del params
        largest = jnp.abs(gradient).max()
        scaled = gradient / jnp.where(largest > 0, largest, 1)
        deviation = scaled.std(ddof=1)
        return (scaled - scaled.mean()) / jnp.where(deviation > 0, deviation, 1)

    return optax.stateless(update)
