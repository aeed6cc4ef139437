"""Everything that can be asked of a run, in one dataclass; the flags of the command are made of it.

Each section of the help is a file here, with a dataclass whose fields stand in the order of the
help. To add an option, add a field to its section, and one of the same name to a plan in
`run/plan.py`. Nothing heavy is imported, so that `--help` answers at once; for the same reason the
dataclasses of the sections, which are only inherited from, are made without methods.
"""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamsound_jax.run.options.how_far_and_where import HowFarAndWhere
from dreamsound_jax.run.options.how_to_dream import HowToDream
from dreamsound_jax.run.options.inputs_and_outputs import InputsAndOutputs
from dreamsound_jax.run.options.many_clips import ManyClips
from dreamsound_jax.run.options.option import type_of
from dreamsound_jax.run.options.ouroboros import TheOuroboros
from dreamsound_jax.run.options.what_to_dream_of import WhatToDreamOf
from dreamsound_jax.run.ranges import expand_ranges


# The fields of the last base come first.
@dataclass(frozen=True, kw_only=True)
class Options(ManyClips, TheOuroboros, HowToDream, HowFarAndWhere, WhatToDreamOf, InputsAndOutputs):
    """What is asked of a run. Every field is a flag of the same name.

    A field of type tuple also takes a list, or a string in place of a tuple of one string; each
    option in `sweep` takes its values in the same way.

    Example:
      >>> Options(layers_to_use="relu3_4", lr=0.04).layers_to_use
      ('relu3_4',)
    """

    def __post_init__(self):
        """Makes tuples of the strings and lists that are given in their place."""
        for name in FIELDS:
            if value_type(name) is tuple:
                object.__setattr__(self, name, _as_tuple(getattr(self, name)))
        for name in ("time", "frequency"):
            object.__setattr__(self, name, _type_pairs(getattr(self, name)))
        if isinstance(self.sweep, Mapping):
            swept = {name: _swept_values(name, values) for name, values in self.sweep.items()}
            object.__setattr__(self, "sweep", swept)
            self._sweep_ranges()

    def _sweep_ranges(self):
        """Sweeps over the objectives that ranges in an objective stand for."""
        swept = self.sweep.get("objective", ())
        if self.objective and swept:
            return  # This is one clip of a sweep, whose ranges are swept already.
        asked = [self.objective] if self.objective and not swept else list(swept)
        if not all(isinstance(text, str) for text in asked):
            return
        found = tuple(each for text in asked for each in expand_ranges(text))
        if list(found) == asked:
            return
        object.__setattr__(self, "objective", None)
        object.__setattr__(self, "sweep", {**self.sweep, "objective": found})


def _as_tuple(value: Any) -> Any:
    """Returns a string as a tuple of one, a list as a tuple, and any other value as it is."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _type_pairs(ranges: Any) -> Any:
    """Returns ranges with each pair of numbers as it is typed, and all else as it is."""
    if not isinstance(ranges, tuple):
        return ranges
    return tuple(f"{each[0]}:{each[1]}" if _is_pair(each) else each for each in ranges)


def _is_pair(value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and len(value) == 2
    return numbers and all(isinstance(each, int | float) for each in value)


def _swept_values(name: str, values: Any) -> Any:
    """Returns the values of a swept option as a tuple; values of some options are tuples, too."""
    values = _as_tuple(values)
    if isinstance(values, tuple) and name in FIELDS and value_type(name) is tuple:
        return tuple(map(_as_tuple, values))
    return values


SECTIONS = tuple(reversed(Options.__bases__))
"""The dataclasses of the sections, in the order of the help; each has its `TITLE`."""

FIELDS = {field.name: field for field in dataclasses.fields(Options)}

SWEEPABLE = tuple(name for name, field in FIELDS.items() if field.metadata["role"] != "run")
"""The options that may differ from clip to clip."""

RESUMABLE_WITH_OTHER = ("output_dir", "save_every")
"""The options that may change when a stopped run is resumed."""

MAY_BE_ADDED = ("video", "plots")
"""The options that may be given when a run is resumed without them, even one that is done."""


@functools.cache
def value_type(name: str) -> Any:
    """Returns the type of an option's value without None: int, float, bool, str or tuple."""
    return type_of(FIELDS[name])
