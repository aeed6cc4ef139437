"""Checks options against their bounds and against each other, before a model is known."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from dreamsound_jax.audio.formats import check_encoding
from dreamsound_jax.audio.rendering import parse_loudness
from dreamsound_jax.dreaming.optimizers import (
    HYPERPARAMETERS,
    check_hyperparameters,
)
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.run.names import read_template
from dreamsound_jax.run.options import FIELDS, SWEEPABLE, Options, value_type
from dreamsound_jax.run.options.defaults import MOST_CLIPS
from dreamsound_jax.run.plan import ITERATE
from dreamsound_jax.run.presets import AIMS, apply_changes
from dreamsound_jax.run.where import read_where
from dreamsound_jax.spectral.transforms import TRANSFORMS, Chain, check_amounts
from dreamsound_jax.system.errors import UserError, nearest_or_fail

# XLA overflows its stack with thousands.
_MOST_TRANSFORMS = 50


def check_options(options: Options) -> None:
    """Raises UserError for an option that is wrong whatever the network and the clips are."""
    check_each_value(options)
    for changes in combinations(options.sweep):
        _check_one(apply_changes(options, changes))


def check_each_value(options: Options) -> None:
    """Raises UserError as `check_options` does, but without all combinations of swept values."""
    _check_sweep(options.sweep)
    for changes in cover_values(options.sweep):
        _check_one(apply_changes(options, changes))


def combinations(sweep: Mapping[str, tuple]) -> Iterator[dict[str, Any]]:
    """Yields all combinations of swept values, the last option changing fastest; {} of none."""
    for values in itertools.product(*sweep.values()):
        yield dict(zip(sweep, values))


def count_combinations(sweep: Mapping[str, tuple]) -> int:
    """Returns how many combinations of swept values there are; 1 of none."""
    return math.prod(map(len, sweep.values()))


def cover_values(sweep: Mapping[str, tuple]) -> Iterator[dict[str, Any]]:
    """Yields combinations in which each swept value occurs, with the first value of all others.

    Example:
      >>> [tuple(each.values()) for each in cover_values({"lr": (1, 2), "seed": (3, 4, 5)})]
      [(1, 3), (2, 3), (1, 4), (1, 5)]
    """
    first = {name: values[0] for name, values in sweep.items()}
    yield first
    for name, values in sweep.items():
        for value in values[1:]:
            yield first | {name: value}


def _check_one(options):
    _check_values(options)
    if not options.input:
        raise UserError("--input must not be empty; leave it out to dream on drums")
    if options.target_class and options.target_class_index != -1:
        raise UserError(
            f"--target_class={options.target_class} and --target_class_index="
            f"{options.target_class_index} both name a class: give only one of them"
        )
    if options.output_dir is not None and not options.output_dir.strip():
        raise UserError(f"--output_dir must name a folder, and is {options.output_dir!r}")
    _check_objective(options)
    if options.until is not None and options.strength is not None:
        raise UserError(
            f"--until={options.until:g} and --strength={options.strength:g} both say how far the "
            "dream goes: give only one of them"
        )
    for name in ("time", "mask"):
        if options.preview and getattr(options, name) is not None:
            raise UserError(
                f"--preview and --{name} must not both be given: a preview dreams on other seconds "
                "of the input"
            )
    parse_loudness(options.loudness)
    check_encoding(options.format, options.bit_depth)
    check_hyperparameters(options.optimizer, given_hyperparameters(options))
    _check_layers(options)
    read_where(options)
    if options.name is not None:
        read_template(options.name)
    if options.loop and options.lengths != "exact":
        raise UserError(
            f"--lengths={options.lengths} and --loop must not both be given: a loop cannot be "
            "padded with silence"
        )
    if options.create_ouroboros:
        _check_ouroboros(options)


def _check_objective(options):
    if options.objective is not None:
        _check_aims(options, "objective", AIMS)
    if options.interpolate is not None:
        _check_aims(options, "interpolate", ("objective", *AIMS))


def _check_aims(options, given, names):
    for name in names:
        value = getattr(options, name)
        if value != FIELDS[name].default:
            raise UserError(
                f"--{given} and --{name} must not both be given: name layers and classes in "
                f"--{given}, such as relu3_4 or organ"
            )


def check_rounds(interpolation: Interpolation, options: Options) -> None:
    """Raises UserError if an ouroboros has fewer rounds than there are objectives."""
    count = len(interpolation.stops)
    if options.create_ouroboros and options.ouroboros_length < count:
        raise UserError(
            f"--ouroboros_length must be at least {count}, one round for each objective of "
            f"--interpolate, and is {options.ouroboros_length}"
        )


def _check_values(options):
    for name in FIELDS:
        value = getattr(options, name)
        if value is not None and value_type(name) is not Mapping:
            check_value(name, value)


def check_value(name: str, value: Any) -> None:
    """Raises UserError for a value that its option cannot have."""
    metadata, kind = FIELDS[name].metadata, value_type(name)
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or isinstance(value, bool) and kind is not bool:
        raise UserError(f"--{name} must be of the type {kind.__name__}, and is {value!r}")
    if isinstance(value, tuple) and not all(isinstance(each, str) for each in value):
        raise UserError(f"--{name} must contain only strings, and is {value!r}")
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, float) and not math.isfinite(each):
            raise UserError(f"--{name} must be a finite number, and is {each}")
        if metadata["choices"] and each not in metadata["choices"]:
            nearest_or_fail(f"such value of --{name}:", each, metadata["choices"])
    _check_bounds(name, value, metadata)


def _check_bounds(name, value, metadata):
    lowest, highest, below = (metadata[bound] for bound in ("at_least", "at_most", "below"))
    if lowest is not None and value < lowest:
        raise UserError(f"--{name} must be at least {lowest:g}, and is {value}")
    if highest is not None and value > highest:
        raise UserError(f"--{name} must be at most {highest}, and is {value}")
    if below is not None and value >= below:
        raise UserError(f"--{name} must be under {below:g}, and is {value}")


def _check_sweep(sweep):
    if not isinstance(sweep, Mapping):
        raise UserError(f"--sweep must map options to their values, and is {sweep!r}")
    for name, values in sweep.items():
        nearest_or_fail("such flag for --sweep:", name, SWEEPABLE)
        if not isinstance(values, tuple) or not values:
            raise UserError(f"--sweep={name}= must have values, as in --sweep={name}=VALUE,VALUE")
        _check_given_once(name, values)
    count = count_combinations(sweep)
    if count > MOST_CLIPS:
        raise UserError(
            f"--sweep must make at most {MOST_CLIPS} combinations, and makes {count} of them"
        )


def _check_given_once(name, values):
    seen = set()
    for value in values:
        if repr(value) in seen:  # What is no value may have no hash.
            typed = "+".join(map(str, value)) if isinstance(value, tuple) else value
            raise UserError(
                f"--sweep={name}= has the value {typed} twice, which would make the same clip "
                "twice: name each value once"
            )
        seen.add(repr(value))


def _check_layers(options):
    if options.layers_to_use is None:
        return
    if not options.layers_to_use:
        raise UserError("--layers_to_use must not be empty; leave it out to use the default")
    if ITERATE not in options.layers_to_use:
        return
    if options.layers_to_use != (ITERATE,):
        layers = ",".join(options.layers_to_use)
        raise UserError(f"--layers_to_use={layers}: {ITERATE} must stand alone")
    if not options.create_ouroboros:
        raise UserError(
            f"--layers_to_use={ITERATE} takes another layer in each round of an ouroboros: add "
            "--create_ouroboros, or name layers"
        )


def _check_ouroboros(options):
    if options.lengths != "exact":
        lengths = options.lengths
        raise UserError(f"--lengths must be exact with --create_ouroboros, and is {lengths}")
    for name in ("time", "frequency", "mask"):
        if getattr(options, name) is not None:
            raise UserError(
                f"--{name} and --create_ouroboros must not both be given: an ouroboros dreams "
                "everywhere"
            )
    names = options.ouroboros_transform
    if len(names) > _MOST_TRANSFORMS:
        raise UserError(
            f"--ouroboros_transform must name at most {_MOST_TRANSFORMS} transforms, and names "
            f"{len(names)}"
        )
    for name in names:
        nearest_or_fail("transform", name, ("none", *TRANSFORMS))
    if not names or (len(names) > 1 and "none" in names):
        raise UserError(
            f"--ouroboros_transform must be none, or transforms without it, and is "
            f"{','.join(names) or 'empty'}"
        )
    kept = [name for name, transform in TRANSFORMS.items() if transform.keeps_loops]
    others = [name for name in names if name not in ("none", *kept)]
    if options.loop and others:
        raise UserError(
            f"--ouroboros_transform must be none or {' or '.join(kept)} with --loop, and is "
            f"{','.join(names)}: {others[0]} does not keep a loop"
        )
    check_amounts(chain_of(options))


def chain_of(options: Options) -> Chain:
    """Returns the transforms between two rounds, with their amounts."""
    names = [name for name in options.ouroboros_transform if name != "none"]
    return tuple((name, getattr(options, TRANSFORMS[name].option)) for name in names)


def given_hyperparameters(options: Options) -> dict[str, float]:
    """Returns {option: value} of the optimizer's settings that are given."""
    values = {name: getattr(options, name) for name in HYPERPARAMETERS}
    return {name: value for name, value in values.items() if value is not None}
