"""Optimizers by name, the settings of a gradient step, and the optax chain that takes it."""

import functools
import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike, DTypeLike

from dreamsound_jax.dreaming.gradients import smooth, standardise
from dreamsound_jax.spectral.interpolate import resize_linear, roll_time
from dreamsound_jax.system.errors import UserError, nearest_or_fail

# A line search tries so many steps at most; each is half as long as the one before.
TRIALS = 4


def _rmsprop(learning_rate, b2=0.9, eps=1e-8):
    return optax.rmsprop(learning_rate, decay=b2, eps=eps)


def _adadelta(learning_rate, b2=0.9, eps=1e-6, weight_decay=0.0):
    return optax.adadelta(learning_rate, rho=b2, eps=eps, weight_decay=weight_decay)


def _lbfgs(learning_rate):
    """The line search begins at the learning rate, and halves it until the objective rises."""
    search = optax.scale_by_backtracking_linesearch(
        TRIALS - 1, decrease_factor=0.5, increase_factor=float("inf")
    )
    return optax.lbfgs(learning_rate, linesearch=search)


OPTIMIZERS = {
    "sgd": optax.sgd,
    "momentum": functools.partial(optax.sgd, momentum=0.9),
    "nesterov": functools.partial(optax.sgd, momentum=0.9, nesterov=True),
    "adabelief": optax.adabelief,
    "adadelta": _adadelta,
    "adafactor": optax.adafactor,
    "adagrad": optax.adagrad,
    "adam": optax.adam,
    "adamax": optax.adamax,
    "adamw": optax.adamw,
    "adan": optax.adan,
    "amsgrad": optax.amsgrad,
    "lamb": optax.lamb,
    "lars": optax.lars,
    "lbfgs": _lbfgs,
    "lion": optax.lion,
    "nadam": optax.nadam,
    "nadamw": optax.nadamw,
    "novograd": optax.novograd,
    "radam": optax.radam,
    "rmsprop": _rmsprop,
    "rprop": optax.rprop,
    "sign_sgd": optax.sign_sgd,
    "sm3": optax.sm3,
    "yogi": optax.yogi,
}
"""Optimizers by name; each takes a learning rate. `sgd` is the reference's plain ascent."""

SEARCHING = ("lbfgs",)
"""Optimizers with a line search; they share a program with no other."""

HYPERPARAMETERS = ("momentum", "b1", "b2", "eps", "weight_decay")
"""Options that an optimizer may take beside a learning rate."""


def default_hyperparameters(name: str) -> dict[str, float]:
    """Returns {option of `HYPERPARAMETERS`: optax's default} of those that an optimizer takes.

    Example:
      >>> default_hyperparameters("momentum")
      {'momentum': 0.9}
    """
    parameters = inspect.signature(OPTIMIZERS[name]).parameters
    defaults = {o: parameters[o].default for o in HYPERPARAMETERS if o in parameters}
    return {option: value for option, value in defaults.items() if isinstance(value, float)}


def check_hyperparameters(optimizer: str, given: dict[str, float]) -> None:
    """Raises UserError for an optimizer that does not exist, or does not take what is given.

    `given` is {option of `HYPERPARAMETERS`: value}.
    """
    nearest_or_fail("optimizer", optimizer, tuple(OPTIMIZERS))
    taken = default_hyperparameters(optimizer)
    for option, value in given.items():
        if option not in taken:
            others = ", ".join(
                name for name in OPTIMIZERS if option in default_hyperparameters(name)
            )
            raise UserError(
                f"--{option}={value}: the optimizer {optimizer} has no such setting; with "
                f"--{option}, --optimizer must be one of {others}"
            )


class Steps(NamedTuple):
    """How the steps of one clip are taken: scalars that may be traced.

    Attributes:
      learning_rate: of the optimizer.
      smoothing_coefficient: see `gradients.smooth`.
      smooth_gradient, standardise_gradient: whether the gradient is.
      carry_state: whether the optimizer's state is carried to the next pyramid level.
      which: the number of the optimizer, of those that the program computes.
      hyperparameters: {option of `HYPERPARAMETERS`: value}, of all that one of those takes.
    """

    learning_rate: ArrayLike
    smoothing_coefficient: ArrayLike
    smooth_gradient: ArrayLike
    standardise_gradient: ArrayLike
    carry_state: ArrayLike
    which: ArrayLike
    hyperparameters: dict[str, ArrayLike]


def make_steps(
    optimizer: str = "sgd",
    *,
    learning_rate: float,
    smoothing_coefficient: float = 0.5,
    smooth_gradient: bool = True,
    standardise_gradient: bool = True,
    carry_state: bool = False,
    hyperparameters: dict[str, float] | None = None,
    optimizers: Sequence[str] = (),
    dtype: DTypeLike = np.float32,
) -> Steps:
    """Returns the `Steps` of one clip.

    Args:
      optimizer: a name of `OPTIMIZERS`.
      learning_rate, smoothing_coefficient, smooth_gradient, standardise_gradient, carry_state: see
        `Steps`.
      hyperparameters: those that differ from optax's defaults.
      optimizers: those that the program computes; by default the one.
      dtype: of the numbers.
    """
    optimizers = tuple(optimizers) or (optimizer,)
    options = dict.fromkeys(o for name in optimizers for o in default_hyperparameters(name))
    values = default_hyperparameters(optimizer) | (hyperparameters or {})
    number = np.dtype(dtype).type
    return Steps(
        number(learning_rate),
        number(smoothing_coefficient),
        np.bool_(smooth_gradient),
        np.bool_(standardise_gradient),
        np.bool_(carry_state),
        np.int32(optimizers.index(optimizer)),
        # A setting that this optimizer does not take has an arbitrary value.
        {option: number(values.get(option, 0.5)) for option in options},
    )


def make_transform(
    optimizers: Sequence[str],
    steps: Steps,
    *,
    total: int,
    roll: jax.Array | int = 0,
    turn: optax.GradientTransformation | None = None,
    inside: jax.Array | None = None,
    circular: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Returns the transformation of a dream's gradient: smooth, standardise, then an optimizer.

    The reference rolls the clip in time and blurs the gradient of the rolled clip: near the ends of
    a rolled clip its middle is reflected, not its ends.

    Args:
      optimizers: the optimizers that the program computes.
      steps: which of them counts, and its settings; may be traced.
      total: how many steps there will be, for the schedule of the smoothing.
      roll: in frames; may be traced.
      turn: a stateless transformation between standardising and the optimizer; by default none.
      inside: which cells the dream changes, in the shape of the gradient; None for all. The
        gradient of the others counts nowhere, and they have no update before the optimizer.
      circular: whether the clip is a loop.
    """
    blur = smooth(steps=total, coefficient=steps.smoothing_coefficient, circular=circular)
    rolled = None if inside is None else roll_time(inside, roll)
    only_inside = [] if inside is None else [_select_cells(inside)]
    return optax.chain(
        *only_inside,
        _roll(roll),
        _apply_if(steps.smooth_gradient, blur),
        _apply_if(steps.standardise_gradient, standardise(inside=rolled)),
        _roll(-roll),
        *only_inside,
        *([] if turn is None else [turn]),
        _select([_make_optimizer(name, steps) for name in optimizers], steps.which),
    )


def _make_optimizer(name, steps):
    options = default_hyperparameters(name)
    settings = {option: steps.hyperparameters[option] for option in options}
    return optax.with_extra_args_support(OPTIMIZERS[name](steps.learning_rate, **settings))


def _select(optimizers, which):
    """Returns the optimizer with the number `which`, as data, so that clips can share a program."""
    if len(optimizers) == 1:
        return optimizers[0]

    def update(gradient, states, params, **extra):
        moves = [o.update(gradient, s, params, **extra) for o, s in zip(optimizers, states)]
        updates, states = zip(*moves)
        return jax.lax.select_n(which, *updates), states

    def init(params):
        return tuple(optimizer.init(params) for optimizer in optimizers)

    return optax.GradientTransformationExtraArgs(init, update)


def _apply_if(condition, transform):
    def update(gradient, state, params=None):
        updates, state = transform.update(gradient, state, params)
        return jnp.where(condition, updates, gradient), state

    return optax.GradientTransformation(transform.init, update)


def _select_cells(inside):
    return optax.stateless(lambda gradient, params: jnp.where(inside, gradient, 0))


def _roll(frames):
    return optax.stateless(lambda gradient, params: roll_time(gradient, frames))


def carry_state(
    state: tuple[Any, ...], fresh: tuple[Any, ...], *, carry: ArrayLike, circular: bool = False
) -> tuple[Any, ...]:
    """Returns the state of a `make_transform` with which a new pyramid level begins.

    If `carry`, the optimizer's state is that of the level before, resized. A part with another
    number of axes begins anew (some optimizers keep only rows and columns of large arrays), as does
    the smoothing, whose schedule is that of a level.
    """

    def leaf(old, new):
        if old.ndim != new.ndim:
            return new
        if old.shape != new.shape:
            old = resize_linear(old, new.shape, circular=circular).astype(new.dtype)
        return jnp.where(carry, old, new)

    return (*fresh[:-1], jax.tree.map(leaf, state[-1], fresh[-1]))
