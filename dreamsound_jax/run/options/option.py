"""`option`, which states one option: its default, help, role, choices and bounds."""

import dataclasses
import types
import typing
from typing import Any, Literal

Role = Literal["run", "program", "data"]
"""What an option decides: the whole run; the compiled program of a clip; or only its data."""


def option(
    default: Any,
    help: str,
    *,
    role: Role,
    choices: tuple[str, ...] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    bare: str | None = None,
) -> Any:
    """Returns a dataclass field with its help, role, choices and bounds as metadata.

    A value may reach `at_least` and `at_most`, but not `below`. The flag alone, without a value,
    stands for `bare`.
    """
    metadata = {
        "help": help,
        "role": role,
        "choices": choices,
        "at_least": at_least,
        "at_most": at_most,
        "below": below,
        "bare": bare,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def type_of(field: dataclasses.Field) -> Any:
    """Returns the type of a field's value without None: int, float, bool, str or tuple."""
    annotation: Any = field.type
    if isinstance(annotation, types.UnionType):
        (annotation,) = (each for each in typing.get_args(annotation) if each is not type(None))
    return typing.get_origin(annotation) or annotation
