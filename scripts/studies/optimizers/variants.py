"""What is compared: optimizers by name, and with flags of their own; in one setting or several."""

from dataclasses import replace
from typing import NamedTuple

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming import optimizers
from dreamsound_jax.run import grid
from dreamsound_jax.system.errors import UserError, nearest_or_fail

BASELINE = "sgd"  # the reference's plain ascent
FLAGS = (*optimizers.HYPER, "optimizer_state", "smooth_gradient", "standardise_gradient")
FLAGS += ("smoothing_coefficient",)
_NOT_SWEPT = {"lr": "--lrs=VALUE,VALUE", "optimizer": "--optimizers", "seed": "--num_seeds"}


class Variant(NamedTuple):
    """An optimizer, as it was named, and the flags {name: value} that it stands for."""

    name: str
    changes: dict


def parse(names):
    """The `Variant`s of names such as "adam" or "adam:b1=0.5:optimizer_state=carry".

    The baseline leads, whether it was named or not.

    Raises:
      UserError: no such optimizer or flag, or a value that it does not take.
    """
    named = dict.fromkeys([BASELINE, *names])
    return [_parse(name) for name in named]


def _parse(name):
    optimizer, *words = name.split(":")
    nearest_or_fail("optimizer", optimizer, tuple(optimizers.OPTIMIZERS))
    changes = {"optimizer": optimizer}
    for word in words:
        flag, _, value = word.partition("=")
        nearest_or_fail(f"flag of {name!r},", flag, FLAGS)
        changes[flag] = command_line.value_of(flag, value)
    return Variant(name, changes)


def settings(options):
    """{name: options} of what is swept: what is compared is compared in each of them."""
    for name, _ in options.sweep:
        if name in (*FLAGS, *_NOT_SWEPT):
            way = f"--optimizers=adam,adam:{name}=VALUE" if name in FLAGS else _NOT_SWEPT[name]
            raise UserError(f"--sweep={name} is not for a comparison; accepted is {way}")
    return {
        " ".join(f"{name}={_words(value)}" for name, value in point.items()): replace(
            options, **point
        )
        for point in grid.points(options)
    }


def _words(value):
    return "+".join(value) if isinstance(value, list) else value


def programs(variants):
    """Those that can share a compiled program, as lists: all but the ones that search."""
    apart = [[each] for each in variants if each.changes["optimizer"] in optimizers.SEARCHING]
    return [[each for each in variants if [each] not in apart], *apart]


def names_of(variants):
    """The optimizers that a program for `variants` computes."""
    return tuple(dict.fromkeys(each.changes["optimizer"] for each in variants))
