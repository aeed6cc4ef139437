"""Gradient ascent on one spectrogram: gradient, optax chain, projection."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

CLAMP = 3.0  # standard deviations
BLUR_RADIUS = 4
BLUR_SCALES = (0.5, 1.0, 2.0)

HEALTHY, ZERO_GRADIENT, NON_FINITE_GRADIENT = range(3)


class Climb(NamedTuple):
    """What happened at each step: arrays (steps,).

    Attributes:
      objective: before the step.
      fault: HEALTHY, or why the clip stopped: ZERO_GRADIENT or NON_FINITE_GRADIENT.
      spent: how often the objective was evaluated, up to the end of the step.
      path: (steps, mel bands, frames), what was changed, after the step; None unless asked for.
    """

    objective: jax.Array
    fault: jax.Array
    spent: jax.Array | None = None
    path: jax.Array | None = None


class Ascent(NamedTuple):
    """Between two steps: what is changed, the optimizer's state, its fault; objectives spent."""

    changed: jax.Array
    state: Any
    fault: jax.Array
    spent: jax.Array


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


def ascend(
    objective,
    changed,
    transform,
    *,
    steps,
    see=lambda changed: changed,
    limit=CLAMP,
    go_on=lambda fresh: fresh,
    keep_path=False,
):
    """Takes `steps` steps of gradient ascent; a clip whose gradient fails stays where it is.

    Args:
      objective: spectrogram -> scalar, to be raised.
      changed: what the steps change, (mel bands, frames) in standard deviations: a standardised
        spectrogram, or, with `see`, whatever of that shape and unit decides on one.
      transform: optax transformation, minimising as all of optax does; see `optimizers.chain`. It
        is also given what a line search needs. An evaluation of the objective by such a search
        counts as a step: where all are spent, nothing more is changed.
      steps: how many; static.
      see: `changed` -> the standardised spectrogram at which the gradient is taken, and taken over
        cell by cell.
      limit: `changed` is clamped to [-limit, limit] after each step.
      go_on: a fresh state of `transform` -> the one to begin with.
      keep_path: whether the `Climb` has a path.

    Returns:
      The `Ascent` after the steps, and a `Climb`.
    """

    def step(ascent, _):
        value, moved = ascent_step(objective, ascent, transform, see=see, limit=limit, most=steps)
        path = moved.changed if keep_path else None
        return moved, Climb(value, moved.fault, moved.spent, path)

    none = jnp.int32(0)
    start = Ascent(changed, go_on(transform.init(changed)), jnp.int32(HEALTHY), none)
    return jax.lax.scan(step, _of_clip(start, changed), length=steps)


def _of_clip(start, changed):
    """`start`, whose constants depend on `changed` now, as they do after a step.

    `vmap` traces the steps once more to find that out: a fifth of all the time of tracing.
    """
    either = changed.ravel()[0] > 0
    return jax.tree.map(lambda leaf: jnp.where(either, leaf, leaf), start)


def ascent_step(objective, ascent, transform, *, see, limit, most):
    """One step from an `Ascent`: (objective there, the next one)."""
    bounded = functools.partial(optax.projections.projection_box, lower=-limit, upper=limit)
    loss, gradient = jax.value_and_grad(lambda seen: -objective(seen))(see(ascent.changed))
    updates, state = optax.with_extra_args_support(transform).update(
        gradient,
        ascent.state,
        ascent.changed,
        value=loss,
        grad=gradient,
        value_fn=lambda changed: -objective(see(bounded(changed))),
    )
    fault = jnp.where(ascent.fault == HEALTHY, diagnose(loss, gradient, updates), ascent.fault)
    looks = optax.tree.get(state, "num_linesearch_steps", 0)
    spent = ascent.spent + 1 + jnp.asarray(looks, jnp.int32)
    moved = Ascent(bounded(optax.apply_updates(ascent.changed, updates)), state, fault, spent)
    stay = ascent._replace(fault=fault)
    takes_it = (fault == HEALTHY) & (spent <= most)
    return -loss, jax.tree.map(functools.partial(jnp.where, takes_it), moved, stay)


def diagnose(loss, gradient, updates):
    """HEALTHY, or why there is nowhere to go: a flat gradient, or something not finite."""
    flat = jnp.where((gradient != gradient[0, 0]).any(), HEALTHY, ZERO_GRADIENT)
    finite = jnp.isfinite(loss) & (jnp.isfinite(gradient) & jnp.isfinite(updates)).all()
    return jnp.where(finite, flat, NON_FINITE_GRADIENT).astype(jnp.int32)


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
