"""Gradient ascent on one clip: gradient, optax chain, projection, and the faults that stop it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

Hill = Callable[[jax.Array], jax.Array]
"""A function of a spectrogram (mel bands, frames) that is to be raised: a scalar."""

HEALTHY, ZERO_GRADIENT, NON_FINITE_GRADIENT = range(3)


class Climb(NamedTuple):
    """What happened at each step: arrays (steps,).

    Attributes:
      objective: before the step.
      fault: HEALTHY, or why the clip stopped: ZERO_GRADIENT or NON_FINITE_GRADIENT.
      evaluations: how often the objective was evaluated, up to the end of the step.
      path: (steps, mel bands, frames), the parameters after each step; None unless asked for.
    """

    objective: jax.Array
    fault: jax.Array
    evaluations: jax.Array | None = None
    path: jax.Array | None = None


class Ascent(NamedTuple):
    """The state between two steps.

    Attributes:
      parameters: (mel bands, frames).
      state: of the optimizer.
      fault: as in `Climb`.
      evaluations: of the objective so far.
    """

    parameters: jax.Array
    state: Any
    fault: jax.Array
    evaluations: jax.Array


def describe_fault(climb: Climb, layers: Sequence[str]) -> str | None:
    """Returns why a clip stopped, or None if it did not; `climb` has arrays (levels, steps)."""
    stopped = np.argwhere(climb.fault != HEALTHY)
    if not len(stopped):
        return None
    level, step = stopped[0]
    flat = climb.fault[level, step] == ZERO_GRADIENT
    silent = "is zero: nothing there responds to this sound (choose another layer or objective)"
    what = silent if flat else "overflows (choose a smaller --lr, or --precision=float32)"
    return (
        f"stopped at pyramid level {level + 1}, step {step + 1}: the gradient of "
        f"{', '.join(layers)} {what}"
    )


def ascend(
    objective: Callable[[jax.Array], jax.Array],
    parameters: jax.Array,
    transform: optax.GradientTransformation,
    *,
    steps: int,
    observe: Callable[[jax.Array], jax.Array] = lambda parameters: parameters,
    bound: jax.Array | np.ndarray | float,
    initial_state: Callable[[Any], Any] = lambda fresh: fresh,
    at_step: Callable[[Hill, jax.Array], Hill] = lambda objective, number: objective,
    is_done: Callable[[jax.Array], ArrayLike] = lambda observed: False,
    keep_path: bool = False,
) -> tuple[Ascent, Climb]:
    """Takes steps of gradient ascent; a clip whose gradient fails stays where it is.

    Args:
      objective: spectrogram -> scalar, to be raised.
      parameters: what the steps change, (mel bands, frames) in standard deviations: a standardised
        spectrogram, or, with `observe`, something of that shape and unit that determines one.
      transform: minimises, as all of optax does; see `optimizers.make_transform`. It is also given
        what a line search needs. Each evaluation of the objective by a line search counts as a
        step: where all are spent, nothing more is changed.
      steps: how many; static.
      observe: parameters -> the standardised spectrogram at which the gradient is taken. The
        gradient with respect to it is used, cell by cell, as that with respect to the parameters.
      bound: parameters are clamped to [-bound, bound] after each step.
      initial_state: a fresh state of `transform` -> the one to begin with.
      at_step: the objective and the number of a step -> the objective of this step.
      is_done: what is observed -> whether the clip stays where it is.
      keep_path: whether the `Climb` has a path.
    """

    def step(ascent, number):
        value, ascent = ascent_step(
            at_step(objective, number),
            ascent,
            transform,
            observe=observe,
            is_done=is_done,
            bound=bound,
            steps=steps,
        )
        path = ascent.parameters if keep_path else None
        return ascent, Climb(value, ascent.fault, ascent.evaluations, path)

    state = initial_state(transform.init(parameters))
    start = Ascent(parameters, state, jnp.int32(HEALTHY), jnp.int32(0))
    return jax.lax.scan(step, start, jnp.arange(steps))


def ascent_step(
    objective: Callable[[jax.Array], jax.Array],
    ascent: Ascent,
    transform: optax.GradientTransformation,
    *,
    observe: Callable[[jax.Array], jax.Array],
    is_done: Callable[[jax.Array], ArrayLike],
    bound: jax.Array | np.ndarray | float,
    steps: int,
) -> tuple[jax.Array, Ascent]:
    """Takes one step: returns the objective before it, and the next `Ascent`."""
    project = functools.partial(optax.projections.projection_box, lower=-bound, upper=bound)
    observed = observe(ascent.parameters)
    loss, gradient = jax.value_and_grad(lambda observed: -objective(observed))(observed)
    updates, state = optax.with_extra_args_support(transform).update(
        gradient,
        ascent.state,
        ascent.parameters,
        value=loss,
        grad=gradient,
        value_fn=lambda parameters: -objective(observe(project(parameters))),
    )
    fault = jnp.where(ascent.fault == HEALTHY, diagnose(loss, gradient, updates), ascent.fault)
    searched = optax.tree.get(state, "num_linesearch_steps", 0)
    evaluations = ascent.evaluations + 1 + jnp.asarray(searched, jnp.int32)
    parameters = project(optax.apply_updates(ascent.parameters, updates))
    moved = Ascent(parameters, state, fault, evaluations)
    stayed = ascent._replace(fault=fault)
    moves = (fault == HEALTHY) & (evaluations <= steps) & ~jnp.asarray(is_done(observed))
    return -loss, jax.tree.map(functools.partial(jnp.where, moves), moved, stayed)


def diagnose(loss: jax.Array, gradient: jax.Array, updates: jax.Array) -> jax.Array:
    """Returns HEALTHY, or what is wrong: a flat gradient, or something that is not finite."""
    flat = jnp.where((gradient != gradient[0, 0]).any(), HEALTHY, ZERO_GRADIENT)
    finite = jnp.isfinite(loss) & (jnp.isfinite(gradient) & jnp.isfinite(updates)).all()
    return jnp.where(finite, flat, NON_FINITE_GRADIENT).astype(jnp.int32)
