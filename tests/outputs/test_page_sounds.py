"""What the page of a run plays, in a real browser."""

import os
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.helpers.browser import NOT_UTF8, Page, clip

SOUNDS = {"a b#1%20?": 5, "ü 声 & 'c' \"d\" <e>": 6, NOT_UTF8: 7}  # name: duration in seconds


def write_files(folder, name, seconds):
    rate = 8000
    tone = 0.01 * np.sin(np.arange(rate * seconds) * 0.3)
    with (folder / f"{name}.wav").open("wb") as file:
        soundfile.write(file, tone, rate, format="WAV")
    Image.new("RGB", (280, 170), "teal").save(folder / f"{name}.png")
    (folder / f"{name}.json").write_text("{}")
    (folder / f"{name}.npz").write_bytes(b"-")


@pytest.fixture
def sounding(browser, tmp_path):
    """Four clips with files; the third failed."""
    for name, length in SOUNDS.items():
        write_files(tmp_path, name, length)
    rows = [{"name": name, "number": place} for place, name in zip((0, 1, 3), SOUNDS)]
    return Sounding(browser, tmp_path, [*rows, clip(2, error="no")])


class Sounding(Page):
    """A page whose clips are known by the lengths of their sounds."""

    def play(self, place):
        self.all("tbody button.play")[place].click()
        self.wait_for(list(SOUNDS.values())[place])

    def wait_for(self, length):
        """Waits until the clip of this length is heard."""
        heard = f"audio.duration === {length} && !audio.paused && audio.currentTime > 0"
        self.wait(f"return {heard}")

    def current(self):
        """The row numbers of the clip in the player."""
        return [
            row for row, each in enumerate(self.all("tbody tr")) if "current" in self.kind(each)
        ]

    def kind(self, element):
        return element.get_attribute("class").split()


def test_one_sound_plays_at_a_time_and_none_is_loaded_before_it_is_asked_for(sounding):
    loads = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    sounding.wait("return [...document.images].every((image) => image.naturalWidth === 280)")
    assert not [name for name in sounding.run(loads) if ".wav" in name]
    assert not sounding.one("footer").is_displayed()
    sounding.play(0)
    sounding.play(1)
    playing = "return [...elements].filter(([, each]) => !each.paused).map(([suffix]) => suffix)"
    assert sounding.run(playing) == ["dream"]
    assert sounding.current() == [1]
    assert "sounding" in sounding.kind(sounding.one("body"))
    sounding.all("tbody button.play")[1].click()
    sounding.wait("return audio.paused && !document.body.classList.contains('sounding')")
    assert not sounding.run("return audio.ended")
    sounding.play(1)
    assert all(name.startswith("file:") for name in sounding.run(loads))


def test_keys_and_buttons_play_the_next_clip_and_pass_over_what_failed(sounding):
    sounding.press("j")
    sounding.wait_for(5)
    sounding.press("j")
    sounding.wait_for(6)
    sounding.press("j")
    sounding.wait_for(7)
    assert sounding.current() == [3]
    sounding.press("j")
    sounding.one("#previous").click()
    sounding.wait_for(6)
    sounding.sort("number")
    sounding.sort("number")
    sounding.press("k")
    sounding.wait_for(7)
    sounding.search("jk")  # Letters are letters in a text field.
    assert sounding.run("return rows[current][1]") == 3


def test_links_lead_to_the_files(sounding):
    links = [link.get_attribute("href") for link in sounding.all("tbody a")]
    paths = [urllib.parse.unquote_to_bytes(urllib.parse.urlparse(link).path) for link in links]
    names = {Path(os.fsdecode(path)).name for path in paths}
    kinds = ("wav", "json", "npz", "png")
    assert names == {f"{name}.{kind}" for name in SOUNDS for kind in kinds}
    assert all(Path(os.fsdecode(path)).is_file() for path in paths)
