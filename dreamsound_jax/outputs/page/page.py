"""The page of a run: a table of its clips, to see, hear, sort and filter, in one file of HTML.

A run with one clip has a large view of it instead; see `clip_view.py`.

The page needs no server and no network. It holds the records of all clips and DataTables, which
makes the table (MIT licence; datatables.net 3.1.5 and datatables.net-dt 3.1.2, unchanged). Sounds
and pictures are the files beside it.
"""

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dreamsound_jax.audio.find import VIDEO
from dreamsound_jax.outputs.page.clip_view import (
    Value,
    address_of,
    clip_html,
    escaped,
    list_facts,
    name_input,
)
from dreamsound_jax.outputs.page.columns import (
    OTHER_NAMES,
    Column,
    json_value,
    list_columns,
    list_shared,
    make_cells,
)
from dreamsound_jax.outputs.page.suffixes import THUMBNAIL, find_sounds

PARTS = (
    "page.html",
    "page.css",
    "page.js",
    "player.html",
    "player.js",
    "table.html",
    "table.css",
    "phone.css",
    "memory.js",
    "cells.js",
    "table.js",
    "filters.js",
    "place.js",
    "clip.html",
    "clip.css",
    "datatables/dataTables.min.js",
    "datatables/dataTables.dataTables.min.css",
    "datatables/LICENSE.txt",
)

_FOLDER = Path(__file__).parent
_MOST_ROUNDS = 100_000


def index_html(
    rows: Sequence[Mapping[str, Value]],
    *,
    title: str,
    facts: Mapping[str, object],
    notes: Mapping[str, object] | None = None,
    missing: int = 0,
    is_preview: bool = False,
) -> str:
    """Makes the page of a run.

    Args:
      rows: a dict for each clip, in any order. `name` is the name of its files: name.wav,
        name.json, name.npz and, unless `picture` is false, name.png. `files` has the suffixes of
        all its files: by these the page knows which sounds can be compared with the dream. `heard`
        is what the network hears in the input and in the written sound; the column `heard_as` shows
        both. A clip that failed has `error`, the reason, and no files. Most other keys are columns,
        in the order of their first appearance, with spaces for underscores in their heads; a
        missing key is the same as None. Rows are sorted by `number`, if they have it. A column
        that is the same in all rows is hidden at first, and told among the facts. `command` is the
        command that makes the clip again.
      title: what the page is called. With `command` in the facts, it names the run for which a
        browser keeps stars and notes.
      facts: name to text; above the table they are shown when asked for.
      notes: name to text; always shown above the table.
      missing: how many clips of the run have no row yet.
      is_preview: whether the rows are grouped by their input, with their commands in full.

    Returns:
      HTML, to be written as UTF-8.
    """
    rows = sorted(rows, key=_sort_key)
    cells = [make_cells(row, is_preview) for row in rows]
    columns = [Column("clip", False), *list_columns(cells, is_preview)]
    data = {
        "otherNames": OTHER_NAMES,
        "run": _identify(title, facts),
        "missing": missing,
        "isPreview": is_preview,
    }
    filled = _read_parts() | {
        "title": escaped(title),
        "clips": _encode(data | _data(columns, cells)),
    }
    filled["player"] = _fill("player.html", filled)
    # A preview and a run that goes on will have more clips.
    if len(rows) == 1 and not missing and not is_preview:
        filled |= _fill_clip(rows[0], filled, facts)
    else:
        filled["notes"] = list_facts(notes or {})
        filled |= _fill_table(columns, filled, {**facts, **list_shared(columns, cells)})
    return _fill("page.html", filled)


@functools.cache
def _read_parts():
    """Reads the parts once: a long run writes its page with those that fit this module."""
    return {part: (_FOLDER / part).read_text(encoding="utf-8") for part in PARTS}


def _identify(title, facts):
    """Returns what tells the run from others, however often its page is written."""
    text = f"{title}\n{facts.get('command')}"
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


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
    styles = ("datatables/dataTables.dataTables.min.css", "page.css", "table.css", "phone.css")
    return {
        "style": "\n".join(filled[style] for style in styles),
        "body": _fill("table.html", filled | parts),
    }


def _sort_key(row):
    number = row.get("number")
    return (number is None, number or 0, row["name"])


def _head(column):
    name = escaped(column.name)
    return f'<th data-key="{name}">{name.replace("_", " ")}</th>'


def _filter(column):
    """The cell of a column's filter, in the second row of the table's head."""
    name = escaped(column.name).replace("_", " ")
    label = f'aria-label="Filter {name}"'
    hint = 'placeholder="filter"'
    if column.is_numeric:
        hint = 'placeholder="&gt;=" title="For example 0.1, &gt;=0.1 or &gt;0.1 &lt;1"'
    return f'<th data-label="{name}"><input type="search" {label} {hint}></th>'


def _data(columns, rows):
    """Returns the columns and the rows as page.js reads them."""
    heads = [
        {"name": name, "isNumeric": is_numeric, "isHidden": is_hidden}
        for name, is_numeric, is_hidden in columns
    ]
    names = [column.name for column in columns[1:]]
    cells = [[_clip(row), *(json_value(row.get(name)) for name in names)] for row in rows]
    return {"columns": heads, "rows": cells}


def _encode(data):
    """Encodes what page.js reads as JSON in which no browser finds markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _clip(row):
    files, picture = row.get("files"), ".png" if row.get("picture", True) else None
    has_thumbnail = isinstance(files, dict) and THUMBNAIL in files
    rounds = row.get("rounds")
    return {
        "name": row["name"],
        "address": address_of(row["name"]),
        "sounds": find_sounds(files),
        "picture": picture,
        # An earlier version made none.
        "thumbnail": THUMBNAIL if picture and has_thumbnail else picture,
        "video": VIDEO if isinstance(files, dict) and VIDEO in files else None,
        "rounds": rounds if isinstance(rounds, int) and 0 < rounds < _MOST_ROUNDS else None,
        "error": json_value(row.get("error")),
        "command": json_value(row.get("command")),
        "group": _name_group(row),
    }


def _name_group(row):
    """Returns what is written above the clips of one input: its name, and which part it is."""
    part = row.get("excerpt")
    first, _, last = str(part).partition(":")
    where = "the whole of it" if part is None else f"its loudest seconds, {first} to {last}"
    return f"{row.get('input')}: {where}"
