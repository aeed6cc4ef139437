"""The large view of a run's only clip: its picture, the player, and its facts in plain words."""

import html
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from dreamsound_jax.audio.find import VIDEO
from dreamsound_jax.outputs.page.suffixes import find_sounds

Value = float | int | str | bool | None

_SOUNDS = {"dream": "the sound", "input": "the input", "difference": "the difference"}
_FILES = {
    VIDEO: "the video",
    ".png": "the picture",
    ".npz": "the spectrograms",
    ".json": "all that was measured",
}
# These are in the list of facts, whose words `_list_known` chooses, or elsewhere in the view.
_TOLD = {
    *("input", "model", "domain", "preset", "strength", "mix", "layers", "target_class"),
    *("raises", "time", "frequency", "mask"),
    *("p_target_input", "p_target", "objective_first", "objective_last", "distance_db"),
    *("rounds", "overcooked_db", "moved_db", "ended", "loudness_lufs", "true_peak_dbtp"),
    *("seconds", "seed", "name", "number", "heard_as", "picture", "error", "files", "heard"),
    *("command", "layers_to_use", "input_file"),
}


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
        player = f'<div id="player">\n{player}</div>'
        parts = [_picture(record), player, _heard(record), _links(record)]
    known = [list_facts(_list_known(record)), "<h3>The run</h3>", list_facts(facts)]
    return "\n".join(parts + known)


def name_input(record: Mapping[str, Value]) -> str:
    """Returns the name of a clip's input without folder and suffix, or else that of its files."""
    return Path(str(record.get("input") or "")).stem or str(record["name"])


def pair_heard(record: Mapping[str, Value]) -> list[str] | None:
    """Returns what the network hears before and after; None if the record does not tell."""
    heard = record.get("heard")
    return [str(each) for each in heard] if isinstance(heard, list) and len(heard) == 2 else None


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
    heard = pair_heard(record)
    if not heard:
        return ""
    before, after = (f"<b>{escaped(each)}</b>" for each in heard)
    return f"<p>The network hears {before} in the input, and {after} in {_place(record)}.</p>"


def _place(record):
    """Returns, in words, the sound that the network hears after the dream: what is written."""
    if not _is_mixed(record):
        return "the last round" if "rounds" in record else "the dream"
    share = f"mix of {record['mix']:.0%} dream"
    return f"the last round, a {share}" if "rounds" in record else f"the {share}"


def _is_mixed(record):
    return _is_number(record.get("mix")) and record["mix"] != 1


def _list_known(record):
    """Returns what is known of a clip, name to text, in plain words."""
    known = {key: value for key, value in record.items() if value is not None}
    unmixed = " before the mix" if _is_mixed(known) else ""
    facts = {
        "Input": known.get("input"),
        "Class": known.get("target_class"),
        "Raises": known.get("raises"),
        **_describe_probability(known),
        **_describe_response(known, f"the dream{unmixed}"),
        "Distance from the input": _say(known.get("distance_db"), "{:.1f} dB" + unmixed),
        "Rounds": known.get("rounds"),
        "Overcooked index": _say(known.get("overcooked_db"), "{:.1f} dB"),
        "Change in the last round": _say(known.get("moved_db"), "{:.1f} dB"),
        "Ended early": known.get("ended"),
        "Loudness": _describe_loudness(known),
        "Length": _say(known.get("seconds"), "{:.2f} s"),
        "Mix": _describe_mix(known),
        "Preset": known.get("preset"),
        "Strength": _say(known.get("strength"), "{:g}"),
        "Time in seconds": known.get("time"),
        "Frequency in Hz": known.get("frequency"),
        "Mask": known.get("mask"),
        "Layers": known.get("layers"),
        "Domain": known.get("domain"),
        "Model": known.get("model"),
        "Seed": known.get("seed"),
    }
    facts |= {key.replace("_", " "): _say(v) for key, v in known.items() if key not in _TOLD}
    return {name: text for name, text in facts.items() if text is not None}


def _describe_probability(known):
    if "p_target" not in known:
        return {}
    after = f"{_say(known['p_target'], '{:.0%}')} in {_place(known)}"
    before = _say(known.get("p_target_input"), "{:.0%}")
    name = f"Probability of {known.get('target_class', 'the class')}"
    return {name: after if before is None else f"{before} in the input, {after}"}


def _describe_response(known, dream):
    """Returns the objective before and after: what layers respond with, unless it is of a class."""
    if not {"objective_first", "objective_last"} <= known.keys():
        return {}
    first, last = (_say(known[f"objective_{end}"], "{:.3g}") for end in ("first", "last"))
    layers = str(known.get("layers", "")).split("+")
    name = f"{'Response' if len(layers) == 1 else 'Mean response'} of {', '.join(layers)}"
    is_plain = "target_class" in known or "layers" not in known
    return {"Objective" if is_plain else name: f"{first} in the input, {last} in {dream}"}


def _describe_loudness(known):
    forms = {"loudness_lufs": "{:.1f} LUFS", "true_peak_dbtp": "true peak {:.1f} dBTP"}
    parts = [_say(known[key], form) for key, form in forms.items() if key in known]
    return ", ".join(map(str, parts)) or None


def _describe_mix(known):
    if not _is_mixed(known):
        return None
    return f"{known['mix']:.0%} dream and {1 - known['mix']:.0%} input"


def _say(value, form="{}"):
    """Returns a number in a form of words; a damaged record may hold anything, which is kept."""
    if form == "{}" and isinstance(value, float):
        form = "{:.5g}"
    return form.format(value) if _is_number(value) else value


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _links(record):
    files = record.get("files")
    sounds = find_sounds(files)
    listed = {sounds[kind]: words for kind, words in _SOUNDS.items() if kind in sounds}
    files = files if isinstance(files, dict) else (".json", ".npz")
    listed |= {suffix: words for suffix, words in _FILES.items() if suffix in files}
    links = [
        f'<a href="{address_of(record["name"] + suffix)}">{words} ({suffix.rsplit(".", 1)[1]})</a>'
        for suffix, words in listed.items()
    ]
    has_command = record.get("command") is not None
    copy = '<button id="copy" type="button">copy the command</button>' if has_command else ""
    return f'<p class="files">{" ".join(links)} {copy}</p>'
