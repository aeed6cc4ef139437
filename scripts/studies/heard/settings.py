"""How dreams are dreamed: options of `dreamsound` as words of the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsound_jax.api.given import DREAM_OPTIONS
from dreamsound_jax.run.options import value_type
from dreamsound_jax.system.errors import UserError, nearest_or_fail

DEFAULTS = {"lr": 0.04, "num_iterations": 30, "smoothing_coefficient": 1.0}
QUICK = {"num_iterations": 2, "pyramid_size": 1}
_OF_THE_STUDY = {
    "domain": "--domains",
    "target_class": "--classes",
    "target_class_index": "--classes",
    "checkpoint": "--model",
}
_BOOLEANS = {"true": True, "false": False}


def parse_settings(words: Sequence[str], *, quick: bool = False) -> dict[str, Any]:
    """Parses words such as "lr=0.02" into {option: value}, over the study's own defaults.

    A preset takes the place of the defaults. The items of a list are joined by `+`.

    Args:
      words: The values of --set.
      quick: Whether dreams are short, to try the program.

    Raises:
      UserError: An option does not exist, or has a flag of its own here, or cannot have its value.
    """
    asked = dict(map(_parse, words))
    defaults: Mapping[str, Any] = {} if "preset" in asked else DEFAULTS
    return {**defaults, **(QUICK if quick else {}), **asked}


def format_flags(settings: Mapping[str, Any]) -> str:
    """Formats settings as flags of `dreamsound`."""
    return " ".join(f"--{name}={_format_value(value)}" for name, value in settings.items())


def _format_value(value):
    return ",".join(value) if isinstance(value, (tuple, list)) else str(value)


def _parse(words):
    name, is_assignment, word = words.partition("=")
    if not is_assignment:
        raise UserError(f"--set must be OPTION=VALUE, such as lr=0.02, and is {words!r}")
    if name in _OF_THE_STUDY:
        raise UserError(f"--set={name} must not be given: use {_OF_THE_STUDY[name]}")
    kind = value_type(nearest_or_fail("such option for --set:", name, DREAM_OPTIONS))
    try:
        return name, _convert(kind, word)
    except (KeyError, ValueError):
        raise UserError(f"--set={name} must be of type {kind.__name__}, and is {word!r}") from None


def _convert(kind, word):
    if kind is bool:
        return _BOOLEANS[word.lower()]
    return tuple(word.split("+")) if kind is tuple else kind(word)
