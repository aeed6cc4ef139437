"""The large view of a run's only clip: its picture, the player, and its facts in plain words."""

import html
import os
import urllib.parse
from collections.abc import Mapping

Value = float | int | str | bool | None

_FILES = {
    ".wav": "the sound",
    ".input.wav": "the input",
    ".difference.wav": "the difference",
    ".png": "the picture",
    ".npz": "the spectrograms",
    ".json": "all that was measured",
}
_LABELS = {
    "input": "Input",
    "layers": "Layers",
    "target_class": "Class",
    "p_target": "Probability of the class",
    "objective_first": "Objective in the input",
    "objective_last": "Objective in the dream",
    "rounds": "Rounds",
    "overcooked_db": "Overcooked index, in dB",
    "moved_db": "Change in the last round, in dB",
    "ended": "Ended early",
    "distance_db": "Distance from the input, in dB",
    "loudness_lufs": "Loudness, in LUFS",
    "seconds": "Length, in seconds",
    "seed": "Seed",
}
_UNLISTED = ("name", "number", "heard_as", "picture", "error", "files", "heard")


def clip_html(record: Mapping[str, Value], *, player: str, facts: Mapping[str, object]) -> str:
    """Makes the large view of a clip.

    Args:
      record: as a row of `page.index_html`.
      player: the HTML of the player.
      facts: of the run, name to text.

    Returns:
      HTML. It can be read without JavaScript, but for the player.
    """
    if record.get("error") is not None:
        parts = [f'<p class="reason">failed: {escaped(record["error"])}</p>']
    else:
        player = f'<div id="player">\n{player}</div>\n<script>load(rows[0][0]);</script>'
        parts = [_picture(record), player, _heard(record), _links(record)]
    known = [list_facts(_list_known(record)), "<h3>The run</h3>", list_facts(facts)]
    return "\n".join(parts + known)


def escaped(text: object) -> str:
    """Escapes a text for HTML, in ASCII: a file's name may hold bytes that are no characters."""
    return html.escape(str(text)).encode("ascii", "xmlcharrefreplace").decode()


def list_facts(facts: Mapping[str, object]) -> str:
    """Makes a list of facts, name to text."""
    pairs = ((escaped(name), escaped(text)) for name, text in facts.items())
    lines = "\n".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in pairs)
    return f"<dl>\n{lines}\n</dl>"


def address_of(name: str) -> str:
    """Returns the address of a file beside the page."""
    return urllib.parse.quote(os.fsencode(name), safe="")


def _picture(record):
    if not record.get("picture", True):
        return ""
    address, name = address_of(f"{record['name']}.png"), escaped(record["name"])
    return f'<a class="whole" href="{address}"><img src="{address}" alt="Picture of {name}"></a>'


def _heard(record):
    """Says what the network hears; nothing if the record does not tell."""
    heard = record.get("heard")
    if not (isinstance(heard, list) and len(heard) == 2):
        return ""
    before, after = (f"<b>{escaped(each)}</b>" for each in heard)
    place = "the last round" if "rounds" in record else "the dream"
    return f"<p>The network hears {before} in the input, and {after} in {place}.</p>"


def _list_known(record):
    values = {**dict.fromkeys(_LABELS), **record}
    return {
        _LABELS.get(key, key.replace("_", " ")): _say(key, value)
        for key, value in values.items()
        if value is not None and key not in _UNLISTED
    }


def _say(key, value):
    if not isinstance(value, float):
        return value
    return f"{value:.0%}" if key == "p_target" else f"{value:.5g}"


def _links(record):
    files = record.get("files")
    files = files if isinstance(files, dict) else (".wav", ".json", ".npz")
    links = [
        f'<a href="{address_of(record["name"] + suffix)}">{words} ({suffix.rsplit(".", 1)[1]})</a>'
        for suffix, words in _FILES.items()
        if suffix in files
    ]
    return f'<p class="files">{" ".join(links)}</p>'
