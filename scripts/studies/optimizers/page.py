"""The HTML page of a comparison: its tables, pictures and sounds.

The pictures are part of the page; the sounds are the files beside it. It needs no server.
"""

import base64
import html
import math
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from studies.optimizers.statistics import SIGNIFICANT
from studies.optimizers.tables import INTERVAL, Table
from studies.report import format_number


class Clip(NamedTuple):
    """A sound of the page.

    Attributes:
      setting: The setting in which it was dreamed.
      input: The name of the input.
      optimizer: The optimizer; None for the input itself.
      src: The path of the file, from the folder of the page.
      gain: The gain of the dream, or None.
      moved_db: How far the dream moved the spectrogram, or None.
    """

    setting: str
    input: str
    optimizer: str | None
    src: str
    gain: float | None = None
    moved_db: float | None = None


def make_page(
    *,
    title: str,
    facts: Mapping[str, str],
    pictures: Mapping[str, bytes],
    tables: Sequence[Table],
    clips: Iterable[Clip],
) -> str:
    """Makes the page.

    Args:
      title: The title of the page.
      facts: What is shown at the top, by name.
      pictures: PNGs by their captions.
      tables: The tables; the first one is open.
      clips: The sounds.

    Returns:
      HTML, which must be written as UTF-8.
    """
    parts = {
        "title": _escape(title),
        "significant": f"{SIGNIFICANT:g}",
        "interval": INTERVAL,
        "facts": _join(_format_fact(*fact) for fact in facts.items()),
        "tables": _join(_format_table(table, table is tables[0]) for table in tables),
        "pictures": _join(_format_picture(*picture) for picture in pictures.items()),
        "clips": _join(_format_setting(*group) for group in _group(clips, "setting").items()),
    }
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    # All places are filled in one pass: a title that looks like a place stays as it is.
    return re.sub("<!-- fill: (.+?) -->", lambda place: parts[place[1]], template)


def _escape(text):
    """Escapes text for HTML, in ASCII: the name of a file may contain surrogates."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _join(parts):
    return "\n".join(parts)


def _format_fact(name, text):
    return f"<div><dt>{_escape(name)}</dt><dd>{_escape(text)}</dd></div>"


def _format_details(name, inside, is_open):
    summary = f"<summary>{_escape(name or 'all')}</summary>"
    start = "<details open>" if is_open else "<details>"
    return f'{start}{summary}<div class="inside">\n{inside}\n</div></details>'


def _format_table(table, is_open):
    lines = [f"<tr>{_format_cells('th', table.headers)}</tr>"]
    lines += [
        f'<tr class="{mark}">{_format_cells("td", cells)}</tr>'
        for cells, mark in zip(table.rows, table.marks)
    ]
    return _format_details(table.setting, f"<table>\n{_join(lines)}\n</table>", is_open)


def _format_cells(tag, texts):
    return "".join(f"<{tag}>{_escape(text)}</{tag}>" for text in texts)


def _format_picture(caption, png):
    caption, data = _escape(caption), base64.b64encode(png).decode()
    image = f'<img src="data:image/png;base64,{data}" alt="{caption}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _group(clips, attribute):
    """Returns {value of the attribute: clips}, sorted by the value."""
    groups = {}
    for clip in sorted(clips, key=lambda clip: getattr(clip, attribute)):
        groups.setdefault(getattr(clip, attribute), []).append(clip)
    return groups


def _format_setting(name, clips):
    """Formats a block for each input; the input itself comes first, then the highest gain."""
    blocks = [
        f'<h3>{_escape(sound)}</h3>\n<div class="cards">\n'
        f"{_join(map(_format_card, sorted(of_input, key=_order)))}\n</div>"
        for sound, of_input in _group(clips, "input").items()
    ]
    return _format_details(name, _join(blocks), is_open=not name)


def _order(clip):
    unknown = clip.gain is None or not math.isfinite(clip.gain)
    return (clip.optimizer is not None, unknown, 0 if unknown else -clip.gain, clip.optimizer or "")


def _format_card(clip):
    is_input = clip.optimizer is None
    gain, moved = format_number(clip.gain), format_number(clip.moved_db)
    return (
        f'<div class="card{" input" if is_input else ""}">'
        f"<b>{'input' if is_input else _escape(clip.optimizer)}</b>"
        f"<small>{'' if is_input else f'gain {gain}, moved {moved} dB'}</small>"
        f'<audio controls preload="none" src="{urllib.parse.quote(clip.src)}"></audio></div>'
    )
