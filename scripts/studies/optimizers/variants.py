"""What is compared: optimizers, each with flags of its own, in one setting or in several."""

from dataclasses import replace
from typing import NamedTuple

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming import optimizers
from dreamsound_jax.run.checks import combinations
from dreamsound_jax.run.presets import apply_changes
from dreamsound_jax.run.strength import fill_lr
from dreamsound_jax.system.errors import UserError, nearest_or_fail

BASELINE = "sgd"  # This is the plain ascent of the reference.
FLAGS = (*optimizers.HYPERPARAMETERS, "optimizer_state", "smooth_gradient", "standardise_gradient")
FLAGS += ("smoothing_coefficient",)
_NOT_SWEPT = {"lr": "--lrs=VALUE,VALUE", "optimizer": "--optimizers", "seed": "--num_seeds"}


class Variant(NamedTuple):
    """An optimizer with flags of its own.

    Attributes:
      name: What the user wrote, such as "adam:b1=0.5".
      changes: The values of the flags that it stands for, by their names.
    """

    name: str
    changes: dict


def parse(names):
    """Parses names such as "adam" or "adam:b1=0.5:optimizer_state=carry" into `Variant`s.

    The baseline comes first, whether it was named or not.

    Raises:
      UserError: An optimizer or a flag does not exist, or a flag does not take its value.
    """
    named = dict.fromkeys([BASELINE, *names])
    return [_parse(name) for name in named]


def _parse(name):
    optimizer, *words = name.split(":")
    nearest_or_fail("optimizer", optimizer, tuple(optimizers.OPTIMIZERS))
    changes = {"optimizer": optimizer}
    for word in words:
        flag, _, value = word.partition("=")
        nearest_or_fail(f"such flag of {name!r}:", flag, FLAGS)
        changes[flag] = command_line.value_of(flag, value)
    return Variant(name, changes)


def settings(options):
    """Returns {name: options} of each point of --sweep; each is compared separately.

    Raises:
      UserError: A flag cannot be swept, because it belongs to an optimizer or is tuned.
    """
    for name in options.sweep:
        if name in (*FLAGS, *_NOT_SWEPT):
            way = f"--optimizers=adam,adam:{name}=VALUE" if name in FLAGS else _NOT_SWEPT[name]
            raise UserError(f"--sweep={name} cannot be used in a comparison; use {way}")
    return {
        " ".join(f"{name}={_join_values(value)}" for name, value in point.items()): fill_lr(
            replace(apply_changes(options, point), sweep={})
        )
        for point in combinations(options.sweep)
    }


def _join_values(value):
    return "+".join(value) if isinstance(value, tuple) else value


def programs(variants):
    """Groups variants that share a compiled program: each that searches a line stands alone."""
    apart = [[each] for each in variants if each.changes["optimizer"] in optimizers.SEARCHING]
    return [[each for each in variants if [each] not in apart], *apart]


def list_optimizers(variants):
    """Names the optimizers that a program for `variants` contains."""
    return tuple(dict.fromkeys(each.changes["optimizer"] for each in variants))
