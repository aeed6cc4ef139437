"""The columns of the table of clips: which there are, what their cells hold, which are hidden."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dreamsound_jax.outputs.page.clip_view import Value, pair_heard

_NO_COLUMNS = (
    *("name", "picture", "error", "files", "heard", "true_peak_dbtp", "p_target_input"),
    *("command", "input_file"),
)
# Of a preview, these are shown at first, in this order.
_OF_PREVIEW = ("preset", "what_to_expect", "command_for_the_whole_input")
# A flag that is swept often says the same as a column that is always there.
OTHER_NAMES = {"layers_to_use": "layers", "objective": "raises"}
_LARGEST_EXACT = 2**53  # JavaScript rounds larger integers.


class Column(NamedTuple):
    """A column: its key in the rows, whether all its values are numbers, and if it is hidden."""

    name: str
    is_numeric: bool
    is_hidden: bool = False


def make_cells(row: Mapping[str, Any], is_preview: bool) -> dict[str, Any]:
    """Returns a row whose `heard_as` says what is heard before and after, if it is known."""
    more: dict[str, Any] = {}
    heard = pair_heard(row)
    if heard and "heard_as" in row:
        more["heard_as"] = " -> ".join(heard)
    if is_preview:
        more["command_for_the_whole_input"] = row.get("command")
    return {**row, **more}


def list_columns(rows: Sequence[Mapping[str, Any]], is_preview: bool) -> list[Column]:
    """Returns the columns of the rows, in the order in which their keys first appear.

    A column that says the same as another one, by `OTHER_NAMES`, is left out.
    """
    names = dict.fromkeys(key for row in rows for key in row if key not in _NO_COLUMNS)
    for name, same in OTHER_NAMES.items():
        if all(row.get(name, row.get(same)) == row.get(same) for row in rows):
            names.pop(name, None)
    if is_preview:
        names = dict.fromkeys((*_OF_PREVIEW, *names))
    shared = () if is_preview else _find_shared(names, rows)
    return [
        _column(name, rows, name not in _OF_PREVIEW if is_preview else name in shared)
        for name in names
    ]


def _find_shared(names, rows):
    """Returns the names of the columns, other than the number, that are the same in all rows."""
    done = [row for row in rows if row.get("error") is None]
    return [
        name
        for name in names
        if name != "number" and len({str(json_value(row.get(name))) for row in done}) == 1
    ]


def list_shared(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns a fact that says what is the same in all clips."""
    names = _find_shared([column.name for column in columns[1:]], rows)
    (first, *_) = [row for row in rows if row.get("error") is None] or [{}]
    values = {name.replace("_", " "): first.get(name) for name in names}
    told = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
    return {"in all clips": told} if told else {}


def _column(name, rows, is_hidden):
    values = [json_value(row.get(name)) for row in rows]
    known = [value for value in values if value is not None]
    return Column(name, bool(known) and all(map(_is_number, known)), is_hidden)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def json_value(value: Any) -> Value:
    """Returns a value as JSON and JavaScript can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    # A record that was damaged may hold anything.
    return value if isinstance(value, Value) else str(value)
