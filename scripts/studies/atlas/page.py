"""Writes the atlas: one page with the dreams and the excerpt of each channel."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import soundfile
from PIL import Image

from dreamsound_jax.audio.files import normalise_recording, read_recording
from dreamsound_jax.networks.card import Card
from dreamsound_jax.system.storage import write_whole
from studies.atlas.excerpts import Excerpt

_RANGE_DB = 60  # Pictures show so much below the loudest cell.
_PEAK = 0.5
_COMPRESSION = 0.9  # Of the sounds, from 0 to 1; a page has hundreds.

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 74rem;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .4rem .8rem .4rem 0; text-align: left; vertical-align: top; }}
img {{ display: block; image-rendering: pixelated; width: 13rem; height: 8rem; }}
audio {{ width: 13rem; height: 2.2rem; }}
small {{ color: #555; display: block; }}
</style>
<h1>{title}</h1>
{about}
<label>Show <select id="kind"><option value="">all channels</option>{kinds}</select></label>
<table><thead><tr><th>channel</th><th>two dreams from noise</th><th></th>
<th>the moment that excites it most</th></tr></thead><tbody>
"""

_TAIL = """</tbody></table>
<script>
document.getElementById("kind").onchange = (event) => {
  for (const row of document.querySelectorAll("tbody tr"))
    row.hidden = event.target.value !== "" && row.dataset.kind !== event.target.value;
};
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);
</script>
"""


class Channel(NamedTuple):
    """A row of the page.

    Attributes:
      number: Of the channel.
      kind: What it responds to, by probes.
      responses: {kind of probe: its response}.
      dreams: The files of its dreams.
      excerpt: The moment that excites it most, or None.
    """

    number: int
    kind: str
    responses: Mapping[str, float]
    dreams: Sequence[Path]
    excerpt: Excerpt | None


def write_page(folder: Path, title: str, about: str, card: Card, rows: Sequence[Channel]) -> None:
    """Writes index.html, and the sounds and pictures that it shows, into a folder.

    Args:
      folder: Of the page.
      title: Its heading, as text.
      about: What stands below the heading, as HTML.
      card: Of the network, by whose front end the pictures are drawn.
      rows: The channels.
    """
    kinds = "".join(
        f"<option>{html.escape(kind)}</option>" for kind in sorted({r.kind for r in rows})
    )
    parts = [_HEAD.format(title=html.escape(title), about=about, kinds=kinds)]
    parts += [_write_row(folder, card, row) for row in rows]
    write_whole(folder / "index.html", "".join([*parts, _TAIL]).encode())


def _write_row(folder, card, row):
    rate = card.front_end.sample_rate
    cells = []
    for draw, file in enumerate(row.dreams):
        sound = normalise_recording(str(file), read_recording(str(file)), sample_rate=rate)
        cells.append(_write_sound(folder, card, f"{row.number:04}-{draw}", sound))
    if row.excerpt:
        name = f"{Path(row.excerpt.file).stem}, {row.excerpt.start:.1f} s"
        shown = _write_sound(folder, card, f"{row.number:04}-found", row.excerpt.sound)
        cells.append(f"{shown}<small>{html.escape(name)}</small>")
    responses = ", ".join(f"{kind} {value:.2g}" for kind, value in row.responses.items())
    first = f"<b>{row.number}</b><br>{html.escape(row.kind)}"
    cells = "".join(f"<td>{cell}</td>" for cell in cells)
    kind = html.escape(row.kind, quote=True)
    return f'<tr data-kind="{kind}"><td title="{html.escape(responses)}">{first}</td>{cells}</tr>\n'


def _write_sound(folder, card, name, sound):
    """Writes a sound and its picture; returns the HTML that shows them."""
    encoded = io.BytesIO()
    level = _PEAK / max(np.abs(sound).max(), 1e-6)
    rate = card.front_end.sample_rate
    soundfile.write(encoded, sound * level, rate, format="OGG", compression_level=_COMPRESSION)
    write_whole(folder / f"{name}.ogg", encoded.getvalue())
    write_whole(folder / f"{name}.png", _draw(card, sound))
    return (
        f'<img src="{name}.png" alt="spectrogram" loading="lazy">'
        f'<audio controls preload="none" src="{name}.ogg"></audio>'
    )


def _draw(card, sound):
    """Draws a mel spectrogram, low bands below, without axes."""
    mel_db = np.asarray(card.front_end.analyse(np.asarray(sound, np.float32)))
    shown = np.clip((mel_db - mel_db.max()) / _RANGE_DB + 1, 0, 1)[::-1]
    colours = (255 * matplotlib.colormaps["magma"](shown)[..., :3]).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(colours).quantize(24).save(png, "PNG", optimize=True)
    return png.getvalue()
