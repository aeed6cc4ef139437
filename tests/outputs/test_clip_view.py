"""The large view of a run's only clip says in plain words what is known of it."""

import html
import re

import pytest

from dreamsound_jax.outputs.page.clip_view import clip_html, name_input

DREAM = {
    "name": "00000-drums",
    "number": 0,
    "input": "in/drums.wav",
    "seed": 5,
    "model": "gm",
    "domain": "sound",
    "layers": "relu3_4",
    "target_class": None,
    "heard_as": "guitar",
    "objective_first": 0.70123,
    "objective_last": 1.35,
    "distance_db": 11.12,
    "loudness_lufs": -23.0,
    "true_peak_dbtp": -6.31,
    "seconds": 2.3219,
    "heard": ["percussive 92%", "guitar 59%"],
}
ROUNDS = {"rounds": 3, "overcooked_db": 1.26, "moved_db": 2.0}


def read(**changes):
    """Returns what the view says: (the sentence on what is heard, {name of a fact: text})."""
    record = {k: v for k, v in {**DREAM, **changes}.items() if v != "left out"}
    text = clip_html(record, player="", facts={})
    facts = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    (heard,) = re.findall("<p>(The network .*?)</p>", text) or [""]
    heard = heard.replace("<b>", "").replace("</b>", "")
    return html.unescape(heard), {html.unescape(n): html.unescape(t) for n, t in facts}


def test_facts_of_a_dream_are_named_plainly_and_have_units():
    heard, facts = read()
    assert heard == "The network hears percussive 92% in the input, and guitar 59% in the dream."
    assert facts == {
        "Input": "in/drums.wav",
        "Response of relu3_4": "0.701 in the input, 1.35 in the dream",
        "Distance from the input": "11.1 dB",
        "Loudness": "-23.0 LUFS, true peak -6.3 dBTP",
        "Length": "2.32 s",
        "Layers": "relu3_4",
        "Domain": "sound",
        "Model": "gm",
        "Seed": "5",
    }


def test_what_was_asked_for_is_told():
    _, facts = read(preset="hits", strength=40.0, lr=0.012345678, layers="mp1+relu3_4")
    assert (facts["Preset"], facts["Strength"], facts["lr"]) == ("hits", "40", "0.012346")
    assert "Mean response of mp1, relu3_4" in facts
    _, facts = read(target_class="organ", p_target_input=0.123, p_target=0.987, layers="output")
    assert facts["Probability of organ"] == "12% in the input, 99% in the dream"
    assert facts["Class"] == "organ" and "Objective" in facts
    _, older = read(target_class="organ", p_target=0.987)
    assert older["Probability of organ"] == "99% in the dream"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"mix": 0.3}, "the mix of 30% dream"),
        (ROUNDS, "the last round"),
        ({"mix": 0.3, **ROUNDS}, "the last round, a mix of 30% dream"),
    ],
)
def test_what_is_heard_says_where(changes, place):
    heard, facts = read(**changes, target_class="organ", p_target=0.5)
    assert heard.endswith(f"guitar 59% in {place}.")
    assert facts["Probability of organ"] == f"50% in {place}"
    assert facts.get("Mix") == ("30% dream and 70% input" if "mix" in changes else None)


def test_response_and_distance_of_a_mixed_dream_are_those_of_the_dream_alone():
    _, facts = read(mix=0.3)
    assert facts["Response of relu3_4"] == "0.701 in the input, 1.35 in the dream before the mix"
    assert facts["Distance from the input"] == "11.1 dB before the mix"


def test_a_damaged_record_is_shown_as_it_is():
    odd = dict.fromkeys(("mix", "distance_db", "loudness_lufs", "objective_first", "input"), ["?"])
    heard, facts = read(**odd, heard="?", seconds="left out", strength=True)
    assert heard == "" and facts["Distance from the input"] == "['?']" and "Length" not in facts


def test_a_video_is_among_the_files():
    files = {".wav": 1, ".mp4": 1}
    assert '<a href="00000-drums.mp4">the video (mp4)</a>' in clip_html(
        {**DREAM, "files": files}, player="", facts={}
    )
    assert "mp4" not in clip_html({**DREAM, "files": {".wav": 1}}, player="", facts={})


def test_a_clip_is_called_by_its_input():
    assert [name_input({"input": each, "name": "n"}) for each in ("in/a b.wav", "noise", None)] == [
        *("a b", "noise", "n")
    ]
