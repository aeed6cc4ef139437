"""The flags of `dreamsound`: one for each option, and those of the process itself.

Importing this module defines them; scripts that dream import it, too.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from dreamsound_jax.cli.command_flags import (
    SHORT_NAMES,
    STANDS_AFTER,
    CommandFlags,
    ProcessFlags,
)
from dreamsound_jax.cli.names import find_name
from dreamsound_jax.cli.parsing import ChoiceFlag, value_of
from dreamsound_jax.run.options import FIELDS, SECTIONS, SWEEPABLE, Options
from dreamsound_jax.run.options.option import type_of
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.ranges import split_objectives
from dreamsound_jax.system.errors import UserError, nearest_or_fail

DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def _define_all() -> None:
    for section in (Options, CommandFlags, ProcessFlags):
        for field in dataclasses.fields(section):
            _define(field)


def _define(field):
    kind, metadata = type_of(field), field.metadata
    if kind is Mapping:
        return flags.DEFINE_multi_string(field.name, [], metadata["help"])
    bounds = {"lower_bound": metadata["at_least"], "upper_bound": metadata["at_most"]}
    keywords = bounds if kind in (int, float) else {}
    if metadata["choices"] and len(metadata["choices"]) < 10:
        choices = list(metadata["choices"])
        if metadata["bare"]:
            return flags.DEFINE_flag(ChoiceFlag(field.name, choices, metadata))
        return flags.DEFINE_enum(field.name, field.default, choices, metadata["help"])
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    short_name = SHORT_NAMES.get(field.name)
    return DEFINE[kind](field.name, default, metadata["help"], short_name=short_name, **keywords)


def list_sections() -> dict[str, list[str]]:
    """Returns {title: the flags under it} of the help."""
    sections: tuple[Any, ...] = (*SECTIONS, ProcessFlags)
    listed = {each.TITLE: [field.name for field in dataclasses.fields(each)] for each in sections}
    for name, before in STANDS_AFTER.items():
        (names,) = (names for names in listed.values() if before in names)
        names.insert(names.index(before) + 1, name)
    return listed


def read_options() -> Options:
    """Returns the flags that were given as `Options`.

    Raises:
      UserError: a --sweep names a flag or a value that does not exist.
    """
    given = {name: flags.FLAGS[name].value for name in FIELDS if is_given(flags.FLAGS[name])}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return make_options(given | {"sweep": _parse_sweeps(given.get("sweep") or ())})


def is_given(flag: flags.Flag) -> bool:
    """Returns whether a flag was given, even if with its default value."""
    return bool(flag.present) or flag.value != flag.default


def _parse_sweeps(lines: Sequence[str]) -> dict[str, tuple]:
    """Returns {flag: its values} of all --sweep; a flag is swept once."""
    swept: dict[str, tuple] = {}
    for name, values in map(_parse_sweep, lines):
        if name in swept:
            raise UserError(
                f"--sweep={name}= is given twice: give all of its values in one, as in "
                f"--sweep={name}=VALUE,VALUE"
            )
        swept[name] = values
    return swept


def _parse_sweep(words: str) -> tuple[str, tuple]:
    """Returns the flag and its values of the words of one --sweep, such as "lr=0.01,0.02"."""
    typed, _, values = words.partition("=")
    name = find_name(typed) or typed
    nearest_or_fail("such flag for --sweep:", name, SWEEPABLE)
    split = split_objectives(values) if name in ("objective", "interpolate") else values.split(",")
    return name, tuple(_parse_value(name, word) for word in split if word)


def _parse_value(name: str, word: str) -> Any:
    """Returns the value of an option that a word of a --sweep stands for."""
    value = value_of(name, word)
    return tuple(value) if isinstance(value, list) else value


_define_all()
