"""Makes the page of a listening test: one file of HTML that holds all sounds.

It needs no server and no network, so that it can be sent to people, and opened on a phone.
"""

import base64
import html
import json
import re
from pathlib import Path

import numpy as np

from studies.listening.arrange import ListeningTest
from studies.listening.clips import SAMPLE_RATE, render_clips
from studies.listening.labels import label_of

ANSWERS = "answers of a dreamsound listening test"
"""The format of the file that the page gives to the listener."""

SEND_BACK = "Please send it to the person who gave you this page."

_FOLDER = Path(__file__).parent
_SECONDS_TO_CHOOSE = 5
_SECONDS_OF_LEVEL = 3


def make_page(test: ListeningTest, *, seconds: float, send_to: str | None = None) -> str:
    """Makes the page.

    Args:
      test: the test. Of its key, the page holds the choices and the names of clips alone.
      seconds: the length of a clip.
      send_to: where listeners send their answers, such as a mail address.

    Returns:
      HTML, to be written as UTF-8.
    """
    data = {
        "format": ANSWERS,
        "test": test.key.test,
        "choices": [{"name": name, "label": label_of(name)} for name in test.key.classes],
        "trials": [{"id": name, "sound": sound} for name, sound in test.heard.items()],
        "sounds": {name: _encode(content) for name, content in test.sounds.items()},
        "level": _encode(_make_level_sound()),
    }
    filled = {
        "data": json.dumps(data).replace("<", "\\u003c"),
        "clips": str(len(data["trials"])),
        "minutes": str(max(1, round(len(data["trials"]) * (seconds + _SECONDS_TO_CHOOSE) / 60))),
        "send": html.escape(f"Please send it to {send_to}." if send_to else SEND_BACK),
        "page.css": (_FOLDER / "page.css").read_text(encoding="utf-8"),
        "page.js": (_FOLDER / "page.js").read_text(encoding="utf-8"),
    }
    template = (_FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub("<!-- fill: (.+?) -->", lambda place: filled[place[1]], template)


def _encode(content):
    return base64.b64encode(content).decode()


def _make_level_sound():
    """Makes a sound of the loudness of all clips, by which listeners set their volume.

    It is a chord of three harmonic tones, which is like none of the clips.
    """
    time = np.arange(_SECONDS_OF_LEVEL * SAMPLE_RATE) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * hz * time) / np.sqrt(hz) for hz in (220, 440, 880)]
    (content,) = render_clips([sum(tones)])
    return content
