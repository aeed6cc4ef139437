"""The page of a run: a table of its clips, to see, hear, sort and filter, in one file of HTML.

The page needs no server and no network: styles, scripts and what is known of the clips are all
inside, and sounds and pictures are the files beside it.
"""

import html
import json
import math
import os
import re
import urllib.parse
from pathlib import Path

PARTS = ("page.css", "page_clips.js", "page_table.js", "page_player.js")

_NOT_COLUMNS = ("name", "picture", "error")
_EXACT = 2**53  # a browser's numbers hold no larger integers exactly


def index_html(rows, *, title, facts):
    """Makes the page of a run.

    Args:
      rows: a dict for each clip, in any order. `name` is that of its files: name.wav, name.json,
        name.npz and, unless `picture` is false, name.png. A clip that failed has `error`, the
        reason, and no files. All other keys are columns; values are numbers, texts, bools or None.
      title: what the page is called.
      facts: name to text; shown above the table.

    Returns:
      HTML, to be written as UTF-8.
    """
    here = Path(__file__)
    filled = {name: here.with_name(name).read_text(encoding="utf-8") for name in PARTS}
    filled |= {"title": escaped(title), "facts": _facts(facts), "clips": _clips(rows)}
    template = here.with_name("page.html").read_text(encoding="utf-8")
    # In one pass: a title that looks like a place to fill stays as it is.
    return re.sub("<!-- fill: (.+?) -->", lambda place: filled[place[1]], template)


def _facts(facts):
    pairs = ((escaped(name), escaped(text)) for name, text in facts.items())
    return "\n".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in pairs)


def escaped(text):
    """`text` for HTML, in ASCII: the name of a file may hold what is no character."""
    return html.escape(str(text)).encode("ascii", "xmlcharrefreplace").decode()


def _clips(rows):
    """What the scripts read, as JSON that no browser takes for HTML."""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = [key for key in keys if key not in _NOT_COLUMNS]
    known = {"columns": columns, "clips": [_clip(row, columns) for row in sorted(rows, key=_place)]}
    text = json.dumps(known, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _place(row):
    """Sorts by number; what has none comes last."""
    number = row.get("number")
    return (number is None, number or 0, row["name"])


def _clip(row, columns):
    """[name, address without a suffix, whether it has a picture, why it failed, values...]."""
    address = urllib.parse.quote(os.fsencode(row["name"]), safe="")
    picture = bool(row.get("picture", True))
    return [row["name"], address, picture, row.get("error"), *(_value(row.get(c)) for c in columns)]


def _value(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)
    return value
