"""Gradient ascent on one spectrogram: gradient, optax chain, projection."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

CLAMP = 3.0  # standard deviations
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
