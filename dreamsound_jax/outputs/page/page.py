"""The page of a run: a table of its clips, to see, hear, sort and filter, in one file of HTML.

The page needs no server and no network. It holds the records of all clips and DataTables, which
makes the table (MIT licence; datatables.net 3.1.5 and datatables.net-dt 3.1.2, unchanged). Sounds
and pictures are the files beside it.
"""

import html
import json
import math
import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PARTS = (
    "page.css",
    "page.js",
    "datatables/dataTables.min.js",
    "datatables/dataTables.dataTables.min.css",
    "datatables/LICENSE.txt",
)

Value = float | int | str | bool | None

_NO_COLUMNS = ("name", "picture", "error", "files")
_LARGEST_EXACT = 2**53  # JavaScript rounds larger integers.


class _Column(NamedTuple):
    name: str
    is_numeric: bool


def index_html(
    rows: Sequence[Mapping[str, Value]], *, title: str, facts: Mapping[str, object]
) -> str:
    """Makes the page of a run.

    Args:
      rows: a dict for each clip, in any order. `name` is the name of its files: name.wav,
        name.json, name.npz and, unless `picture` is false, name.png; `files` is not shown. A clip
        that failed has `error`, the reason, and no files. All other keys are columns, in the order
        of their first appearance; a missing key is the same as None. Rows are sorted by `number`,
        if they have it.
      title: what the page is called.
      facts: name to text; shown above the table.

    Returns:
      HTML, to be written as UTF-8.
    """
    rows = sorted(rows, key=_sort_key)
    names = dict.fromkeys(key for row in rows for key in row if key not in _NO_COLUMNS)
    columns = [_Column("clip", False), *(_column(name, rows) for name in names)]
    here = Path(__file__).parent
    filled = {part: (here / part).read_text(encoding="utf-8") for part in PARTS}
    filled |= {
        "title": escaped(title),
        "facts": _facts(facts),
        "heads": "".join(_head(column) for column in columns),
        "filters": "".join(_filter(column) for column in columns),
        "clips": _data(columns, rows),
    }
    template = (here / "page.html").read_text(encoding="utf-8")
    # All places are filled in one pass, so a title that looks like a place stays as it is.
    return re.sub("<!-- fill: (.+?) -->", lambda place: filled[place[1]], template)


def escaped(text: object) -> str:
    """Escapes a text for HTML, in ASCII: a file's name may hold bytes that are no characters."""
    return html.escape(str(text)).encode("ascii", "xmlcharrefreplace").decode()


def _sort_key(row):
    number = row.get("number")
    return (number is None, number or 0, row["name"])


def _column(name, rows):
    values = [_json_value(row.get(name)) for row in rows]
    known = [value for value in values if value is not None]
    return _Column(name, bool(known) and all(map(_is_number, known)))


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _facts(facts):
    pairs = ((escaped(name), escaped(text)) for name, text in facts.items())
    return "\n".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in pairs)


def _head(column):
    return f"<th>{escaped(column.name).replace('_', '_<wbr>')}</th>"


def _filter(column):
    """The cell of a column's filter, in the second row of the table's head."""
    label = f'aria-label="Filter {escaped(column.name)}"'
    hint = 'placeholder="filter"'
    if column.is_numeric:
        hint = 'placeholder="&gt;=" title="For example 0.1, &gt;=0.1 or &gt;0.1 &lt;1"'
    return f'<th><input type="search" {label} {hint}></th>'


def _data(columns, rows):
    """What page.js reads, as JSON in which no browser finds markup."""
    heads = [{"name": name, "isNumeric": is_numeric} for name, is_numeric in columns]
    cells = [[_clip(row), *(_json_value(row.get(name)) for name, _ in columns[1:])] for row in rows]
    text = json.dumps({"columns": heads, "rows": cells}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _clip(row):
    return {
        "name": row["name"],
        "address": urllib.parse.quote(os.fsencode(row["name"]), safe=""),
        "hasPicture": bool(row.get("picture", True)),
        "error": _json_value(row.get("error")),
    }


def _json_value(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    # A record that was damaged may hold anything.
    return value if isinstance(value, Value) else str(value)
