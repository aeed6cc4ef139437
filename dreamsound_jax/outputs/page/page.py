"""The page of a run: a table of its clips, to see, hear, sort and filter, in one file of HTML.

A run with one clip has a large view of it instead; see `clip_view.py`.

The page needs no server and no network. It holds the records of all clips and DataTables, which
makes the table (MIT licence; datatables.net 3.1.5 and datatables.net-dt 3.1.2, unchanged). Sounds
and pictures are the files beside it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dreamsound_jax.audio.find import DIFFERENCE, INPUT, VIDEO
from dreamsound_jax.outputs.page.clip_view import (
    Value,
    address_of,
    clip_html,
    escaped,
    list_facts,
    name_input,
    pair_heard,
)

PARTS = (
    "page.html",
    "page.css",
    "page.js",
    "player.html",
    "player.js",
    "table.html",
    "table.css",
    "table.js",
    "clip.html",
    "clip.css",
    "datatables/dataTables.min.js",
    "datatables/dataTables.dataTables.min.css",
    "datatables/LICENSE.txt",
)

_FOLDER = Path(__file__).parent
_NO_COLUMNS = ("name", "picture", "error", "files", "heard", "true_peak_dbtp", "p_target_input")
# What all clips of a run mostly share is a column only where it differs.
_COLUMNS_THAT_DIFFER = (
    *("model", "domain", "preset", "strength", "mix"),
    *("time", "frequency", "mask"),
)
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
        name.json, name.npz and, unless `picture` is false, name.png. `files` has the suffixes of
        all its files: by these the page knows which sounds can be compared with the dream. `heard`
        is what the network hears in the input and in the written sound; the column `heard_as` shows
        both. A clip that failed has `error`, the reason, and no files. Most other keys are columns,
        in the order of their first appearance, with spaces for underscores in their heads; a
        missing key is the same as None. Rows are sorted by `number`, if they have it.
      title: what the page is called.
      facts: name to text; shown above the table.

    Returns:
      HTML, to be written as UTF-8.
    """
    rows = sorted(rows, key=_sort_key)
    cells = [_tell_heard(row) for row in rows]
    columns = [_Column("clip", False), *(_column(name, cells) for name in _list_columns(rows))]
    filled = {part: (_FOLDER / part).read_text(encoding="utf-8") for part in PARTS}
    filled |= {"title": escaped(title), "clips": _data(columns, cells)}
    filled["player"] = _fill("player.html", filled)
    if len(rows) == 1:
        filled |= _fill_clip(rows[0], filled, facts)
    else:
        filled |= _fill_table(columns, filled, facts)
    return _fill("page.html", filled)


def _fill(template, filled):
    """Fills all places of a template in one pass, so a title that looks like one stays as it is."""
    return re.sub("<!-- fill: (.+?) -->", lambda place: filled[place[1]], filled[template])


def _fill_clip(row, filled, facts):
    """Returns what the page of a run with one clip is filled with."""
    clip = clip_html(row, player=filled["player"], facts=facts)
    name = escaped(name_input(row))
    known = {"heading": name, "clip": clip}
    return {
        "title": f"{name} - {filled['title']}",
        "style": filled["page.css"] + filled["clip.css"],
        "body": _fill("clip.html", filled | known),
    }


def _fill_table(columns, filled, facts):
    """Returns what the page of a run with no clip, or with several, is filled with."""
    parts = {
        "heads": "".join(_head(column) for column in columns),
        "filters": "".join(_filter(column) for column in columns),
        "facts": list_facts(facts),
    }
    styles = ("datatables/dataTables.dataTables.min.css", "page.css", "table.css")
    return {
        "style": "\n".join(filled[style] for style in styles),
        "body": _fill("table.html", filled | parts),
    }


def _sort_key(row):
    number = row.get("number")
    return (number is None, number or 0, row["name"])


def _list_columns(rows):
    """Returns the keys of the rows that are columns, in the order of their first appearance."""
    names = dict.fromkeys(key for row in rows for key in row if key not in _NO_COLUMNS)
    return [name for name in names if name not in _COLUMNS_THAT_DIFFER or _differs(name, rows)]


def _differs(name, rows):
    return len({str(row.get(name)) for row in rows if row.get("error") is None}) > 1


def _tell_heard(row):
    """Returns a row whose `heard_as` says what is heard before and after, if it is known."""
    heard = pair_heard(row)
    return {**row, "heard_as": " -> ".join(heard)} if heard and "heard_as" in row else row


def _column(name, rows):
    values = [_json_value(row.get(name)) for row in rows]
    known = [value for value in values if value is not None]
    return _Column(name, bool(known) and all(map(_is_number, known)))


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _head(column):
    name = escaped(column.name)
    return f'<th data-key="{name}">{name.replace("_", " ")}</th>'


def _filter(column):
    """The cell of a column's filter, in the second row of the table's head."""
    label = f'aria-label="Filter {escaped(column.name).replace("_", " ")}"'
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
        "address": address_of(row["name"]),
        "sounds": _sounds(row),
        "hasPicture": bool(row.get("picture", True)),
        "hasVideo": VIDEO in _suffixes(row),
        "error": _json_value(row.get("error")),
    }


def _sounds(row):
    """Returns the suffixes of the sounds that can be compared, in the order of the switch."""
    files = _suffixes(row)
    return [suffix for suffix in (INPUT, ".wav", DIFFERENCE) if suffix in files or suffix == ".wav"]


def _suffixes(row):
    """Returns the suffixes of the files of a clip; a damaged record may hold anything."""
    files = row.get("files")
    return files if isinstance(files, dict) else ()


def _json_value(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    # A record that was damaged may hold anything.
    return value if isinstance(value, Value) else str(value)
