"""How steps are taken: optax's optimizers by name, and the chain that leads a gradient to them."""

import functools
import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dreamsound_jax.dreaming.gradients import smooth, standardise
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system.errors import UserError, nearest_or_fail

TRIALS = 4  # of a line search, at most; each halves the step


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
"""Those that look at the objective before they step; they share a program with no other."""

HYPER = ("momentum", "b1", "b2", "eps", "weight_decay")
"""Flags of what an optimizer may take beside a learning rate."""

STATES = ("restart", "carry")
"""What becomes of an optimizer's state at the next pyramid level."""


def hyper_defaults(name):
    """{flag of `HYPER`: what optax takes unless told otherwise}, of those that an optimizer has."""
    parameters = inspect.signature(OPTIMIZERS[name]).parameters
    defaults = {flag: parameters[flag].default for flag in HYPER if flag in parameters}
    return {flag: value for flag, value in defaults.items() if isinstance(value, float)}


def check(options):
    """Raises UserError for an optimizer that is not there, or that does not take what was given."""
    nearest_or_fail("optimizer", options.optimizer, tuple(OPTIMIZERS))
    given = {flag: value for flag in HYPER if (value := getattr(options, flag)) is not None}
    taken = hyper_defaults(options.optimizer)
    for flag, value in given.items():
        if flag not in taken:
            others = ", ".join(name for name in OPTIMIZERS if flag in hyper_defaults(name))
            raise UserError(
                f"--{flag}={value}: the optimizer {options.optimizer} has none; with --{flag}, "
                f"accepted are {others}"
            )
        if flag in ("momentum", "b1", "b2") and not 0 <= value < 1:
            raise UserError(f"--{flag}={value}: accepted are 0 and more, under 1")


class Steps(NamedTuple):
    """How the steps of one clip are taken; scalars, see the flags of the same names.

    Attributes:
      smooth_gradient, standardise_gradient, carry_state: whether or not.
      which: of the optimizers that the program computes, by number.
      hyper: {flag of `HYPER`: value}, of all that one of those takes.
    """

    learning_rate: jax.Array
    smoothing_coefficient: jax.Array
    smooth_gradient: jax.Array
    standardise_gradient: jax.Array
    carry_state: jax.Array
    which: jax.Array
    hyper: dict


def steps_of(options, names=None):
    """The `Steps` that `options` ask for, in a program of the optimizers `names`.

    By default it computes the one that is asked for, alone.
    """
    names = names or (options.optimizer,)
    flags = dict.fromkeys(flag for name in names for flag in hyper_defaults(name))
    asked = hyper_defaults(options.optimizer)
    asked |= {flag: value for flag in asked if (value := getattr(options, flag)) is not None}
    number = np.dtype(options.dtype()).type
    return Steps(
        number(options.lr),
        number(options.smoothing_coefficient),
        np.bool_(options.smooth_gradient),
        np.bool_(options.standardise_gradient),
        np.bool_(options.optimizer_state == "carry"),
        np.int32(names.index(options.optimizer)),
        # What the others take is of no matter, as long as it is a number.
        {flag: number(asked.get(flag, 0.5)) for flag in flags},
    )


def chain(names, steps, *, total, roll=0):
    """The transformation of a dream's gradient: smooth, standardise, then an optimizer.

    The reference sees the clip rolled in time by `roll` frames, and blurs what it sees: near the
    ends of a rolled clip its middle is reflected, not its ends.

    Args:
      names: the optimizers that are computed.
      steps: a `Steps`, which says which of them is heeded; may be traced.
      total: how many steps there will be, for the schedule of the smoothing.
      roll: may be traced.
    """
    return optax.chain(
        _roll(roll),
        _if(steps.smooth_gradient, smooth(steps=total, coefficient=steps.smoothing_coefficient)),
        _if(steps.standardise_gradient, standardise()),
        _roll(-roll),
        _one_of([_optimizer(name, steps) for name in names], steps.which),
    )


def _optimizer(name, steps):
    hyper = {flag: steps.hyper[flag] for flag in hyper_defaults(name) if flag in steps.hyper}
    return optax.with_extra_args_support(OPTIMIZERS[name](steps.learning_rate, **hyper))


def _one_of(optimizers, which):
    """The one with the number `which`, as data: clips that differ in it can share a program."""
    if len(optimizers) == 1:
        return optimizers[0]

    def update(gradient, states, params, **extra):
        moves = [o.update(gradient, s, params, **extra) for o, s in zip(optimizers, states)]
        updates, states = zip(*moves)
        return jax.lax.select_n(which, *updates), states

    init = lambda params: tuple(one.init(params) for one in optimizers)  # noqa: E731
    return optax.GradientTransformationExtraArgs(init, update)


def _if(wanted, transform):
    def update(gradient, state, params=None):
        updates, state = transform.update(gradient, state, params)
        return jnp.where(wanted, updates, gradient), state

    return optax.GradientTransformation(transform.init, update)


def _roll(frames):
    return optax.stateless(lambda gradient, params: interpolate.roll_time(gradient, frames))


def carried(state, fresh, *, wanted):
    """The state of a `chain` at a new pyramid level: that of its optimizer, resized, if `wanted`.

    What has another number of axes there (some optimizers keep rows and columns of large arrays
    alone) begins anew, as does the smoothing, which has a schedule for each level.
    """

    def leaf(old, new):
        if old.ndim != new.ndim:
            return new
        if old.shape != new.shape:
            old = interpolate.spread(old, new.shape).astype(new.dtype)
        return jnp.where(wanted, old, new)

    return (*fresh[:-1], jax.tree.map(leaf, state[-1], fresh[-1]))
