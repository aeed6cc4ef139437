"""Gradient ascent on one spectrogram: gradient, optax chain, projection."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

CLAMP = 3.0  # standard deviations
BLUR_RADIUS = 4
BLUR_SCALES = (0.5, 1.0, 2.0)

HEALTHY, ZERO_GRADIENT, NON_FINITE_GRADIENT = range(3)

OPTIMIZERS = {
    "sgd": optax.sgd,
    "momentum": functools.partial(optax.sgd, momentum=0.9),
    "nesterov": functools.partial(optax.sgd, momentum=0.9, nesterov=True),
    "adabelief": optax.adabelief,
    "adadelta": optax.adadelta,
    "adafactor": optax.adafactor,
    "adagrad": optax.adagrad,
    "adam": optax.adam,
    "adamax": optax.adamax,
    "adamw": optax.adamw,
    "adan": optax.adan,
    "amsgrad": optax.amsgrad,
    "lamb": optax.lamb,
    "lars": optax.lars,
    "lion": optax.lion,
    "nadam": optax.nadam,
    "nadamw": optax.nadamw,
    "novograd": optax.novograd,
    "radam": optax.radam,
    "rmsprop": optax.rmsprop,
    "rprop": optax.rprop,
    "sign_sgd": optax.sign_sgd,
    "sm3": optax.sm3,
    "yogi": optax.yogi,
}
"""Optimizers by name; each takes a learning rate. `sgd` is the reference's plain ascent."""


class Climb(NamedTuple):
    """What happened at each step: arrays (steps,).

    Attributes:
      objective: before the step.
      fault: HEALTHY, or why the clip stopped: ZERO_GRADIENT or NON_FINITE_GRADIENT.
    """

    objective: jax.Array
    fault: jax.Array


def why_stopped(climb, layers):
    """What to tell of a clip that stopped, by its `Climb` of arrays (levels, steps); else None."""
    stopped = np.argwhere(climb.fault != HEALTHY)
    if not len(stopped):
        return None
    level, step = stopped[0]
    flat = climb.fault[level, step] == ZERO_GRADIENT
    what = "is zero: nothing there responds to this sound" if flat else "overflows"
    return (
        f"stopped at pyramid level {level + 1}, step {step + 1}: the gradient of "
        f"{', '.join(layers)} {what}"
    )


def ascend(objective, changed, transform, *, steps, see=lambda changed: changed, limit=CLAMP):
    """Takes `steps` steps of gradient ascent; a clip whose gradient fails stays where it is.

    Args:
      objective: spectrogram -> scalar, to be raised.
      changed: what the steps change, (mel bands, frames) in standard deviations: a standardised
        spectrogram, or, with `see`, whatever of that shape and unit decides on one.
      transform: optax transformation, minimising as all of optax does; see `reference_chain`.
      steps: how many; static.
      see: `changed` -> the standardised spectrogram at which the gradient is taken, and taken over
        cell by cell.
      limit: `changed` is clamped to [-limit, limit] after each step.

    Returns:
      `changed` after the steps, and a `Climb`.
    """

    def step(carry, _):
        value, moved = ascent_step(objective, carry, transform, see=see, limit=limit)
        return moved, Climb(value, moved[2])

    start = (changed, transform.init(changed), jnp.int32(HEALTHY))
    (changed, _, _), climb = jax.lax.scan(step, start, length=steps)
    return changed, climb


def ascent_step(objective, carry, transform, *, see, limit):
    """One step from (changed, optimizer state, fault): (objective there, the next three)."""
    changed, state, fault = carry
    loss, gradient = jax.value_and_grad(lambda seen: -objective(seen))(see(changed))
    updates, next_state = transform.update(gradient, state, changed)
    fault = jnp.where(fault == HEALTHY, diagnose(loss, gradient, updates), fault)
    moved = optax.projections.projection_box(optax.apply_updates(changed, updates), -limit, limit)
    keep = functools.partial(jnp.where, fault == HEALTHY)
    return -loss, (*jax.tree.map(keep, (moved, next_state), (changed, state)), fault)


def diagnose(loss, gradient, updates):
    """HEALTHY, or why there is nowhere to go: a flat gradient, or something not finite."""
    flat = jnp.where(gradient.max() > gradient.min(), HEALTHY, ZERO_GRADIENT)
    finite = jnp.isfinite(loss) & jnp.isfinite(gradient).all() & jnp.isfinite(updates).all()
    return jnp.where(finite, flat, NON_FINITE_GRADIENT).astype(jnp.int32)


def reference_chain(optimizer, learning_rate, *, steps, smoothing_coefficient):
    """The reference's ascent as an optax chain: smooth, standardise, then the named optimizer."""
    return optax.chain(
        smooth(steps=steps, coefficient=smoothing_coefficient),
        standardise(),
        OPTIMIZERS[optimizer](learning_rate),
    )


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
    """Weighted sum of shifted slices: nine fused additions, which no backend runs slowly."""
    kept = image.shape[axis] - 2 * BLUR_RADIUS
    slices = (
        jax.lax.slice_in_dim(image, shift, shift + kept, axis=axis)
        for shift in range(2 * BLUR_RADIUS + 1)
    )
    return sum(weight * part for weight, part in zip(weights, slices))


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
