"""The page of a comparison: its tables, its pictures, and its sounds, in one file of HTML.

Pictures are inside; sounds are the files beside the page. It needs no server and no network.
"""

import base64
import itertools
import math
import re
import urllib.parse
from pathlib import Path

from dreamsound_jax.outputs.page.page import escaped
from studies.optimizers.tables import number, tables


def compare_html(*, title, facts, pictures, summaries, clips):
    """Makes the page of a comparison.

    Args:
      title: what the page is called.
      facts: name to text; shown at the top.
      pictures: caption to the bytes of a PNG.
      summaries: a list of `statistics.Summary`, in the order in which settings are shown. What is
        over several settings is open.
      clips: a dict for each sound: `setting`, `input`, `optimizer` (None: the input itself), `src`
        (the file's path from the page's folder), `gain` and `moved_db` (None if not known).

    Returns:
      HTML, to be written as UTF-8.
    """
    filled = {
        "title": escaped(title),
        "facts": _lines(_fact(*pair) for pair in facts.items()),
        "tables": _lines(_table(table) for table in tables(summaries)),
        "pictures": _lines(_picture(*pair) for pair in pictures.items()),
        "clips": _lines(_setting(*pair) for pair in _grouped(clips, "setting")),
    }
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    # In one pass: a title that looks like a place to fill stays as it is.
    return re.sub("<!-- fill: (.+?) -->", lambda place: filled[place[1]], template)


def _lines(parts):
    return "\n".join(parts)


def _fact(name, text):
    return f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>"


def _details(name, inside, *, is_open=False):
    summary = f"<summary>{escaped(name or 'all')}</summary>"
    start = "<details open>" if is_open else "<details>"
    return f'{start}{summary}<div class="inside">\n{inside}\n</div></details>'


def _table(table):
    heads = _cells("th", table.heads)
    lines = [
        f'<tr class="{mark}">{_cells("td", cells)}</tr>'
        for cells, mark in zip(table.cells, table.marks)
    ]
    inside = f"<table>\n<tr>{heads}</tr>\n{_lines(lines)}\n</table>"
    return _details(table.setting, inside, is_open=table.whole or not table.setting)


def _cells(tag, texts):
    return "".join(f"<{tag}>{escaped(text)}</{tag}>" for text in texts)


def _picture(caption, png):
    caption, data = escaped(caption), base64.b64encode(png).decode()
    image = f'<img src="data:image/png;base64,{data}" alt="{caption}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _grouped(clips, key):
    """(value, clips that have it) of each value, sorted."""
    return itertools.groupby(sorted(clips, key=lambda clip: clip[key]), lambda clip: clip[key])


def _setting(name, clips):
    """The sounds of a setting, a block for each input; the input comes first, then the best."""
    blocks = [
        f'<h3>{escaped(sound)}</h3>\n<div class="cards">\n'
        f"{_lines(map(_card, sorted(of_input, key=_badness)))}\n</div>"
        for sound, of_input in _grouped(clips, "input")
    ]
    return _details(name, _lines(blocks), is_open=not name)


def _badness(clip):
    gain = clip.get("gain")
    unknown = gain is None or not math.isfinite(gain)
    return (clip["optimizer"] is not None, unknown, 0 if unknown else -gain, clip["optimizer"])


def _card(clip):
    name, kind = clip["optimizer"], "card"
    if name is None:
        name, kind = "input", "card input"
    source = urllib.parse.quote(str(clip["src"]))
    return (
        f'<div class="{kind}"><b>{escaped(name)}</b><small>{_measured(clip)}</small>'
        f'<audio controls preload="none" src="{source}"></audio></div>'
    )


def _measured(clip):
    if clip["optimizer"] is None:
        return ""
    return f"gain {number(clip.get('gain'))}, moved {number(clip.get('moved_db'))} dB"
