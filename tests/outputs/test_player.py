"""The player of a run's page, which switches between input, dream and difference; in a browser.

Also the large view of a run's only clip, in which the player is.
"""

import os

import numpy as np
import pytest
import soundfile
from PIL import Image
from selenium.webdriver.common.action_chains import ActionBuilder
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys

from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.formats import FORMATS, Encoding
from tests.helpers.browser import FACTS, Page

SECONDS, RATE = 20, 8000
ALL = [".input.wav", ".wav", ".difference.wav"]
INPUT, DREAM, DIFFERENCE = KINDS = ["input", "dream", "difference"]
# A dream in the domain sound, one in the domain mel, an ouroboros, and a clip that failed.
NAMES = {os.fsdecode(b"caf\xe9 #1%20?"): ALL, "in mel": ALL[:2], "an ouroboros": ALL[1:2]}
APART = "Math.max(0, ...silent().map((e) => Math.abs(e.currentTime - audio.currentTime)))"
FAILED = {"name": "bad", "number": 9, "input": "bad.wav", "error": "cannot be read: <i>no</i>"}


def make_clip(folder, name, suffixes, **more):
    """Writes the files of a clip, and returns its record."""
    with (folder / f"{name}.png").open("wb") as file:
        Image.new("RGB", (280, 170), "teal").save(file, "png")
    for suffix in suffixes:
        with (folder / f"{name}{suffix}").open("wb") as file:
            soundfile.write(file, np.zeros(SECONDS * RATE), RATE, format="WAV")
    files = dict.fromkeys((*suffixes, ".npz", ".png", ".json"), 1)
    return {"name": name, "number": 0, "input": "loop.wav", "files": files, **more}


class Player(Page):
    """A page whose player is asked what can be heard."""

    def state(self):
        """(kinds of the sounds that are heard, the place in seconds) at one moment."""
        heard = "[...elements].filter(([, e]) => !e.paused && !e.muted && e.volume > 0.5)"
        return self.run(f"return [{heard}.map(([kind]) => kind), audio.currentTime]")

    def chosen(self):
        """The position of the switch, and the sound that the controls belong to."""
        checked = self.run("return switcher.querySelector(':checked').value")
        (shown,) = [each for each in self.all("audio") if each.is_displayed()]
        assert shown.get_attribute("data-kind") == checked
        return checked

    def positions(self):
        return [label.text for label in self.all("#switch label") if label.is_displayed()]

    def keys(self):
        """The keys that the line below the player names."""
        return [key.text for key in self.all("#keys kbd") if key.is_displayed()]

    def play(self, row):
        self.all("tbody button.play")[row].click()
        self.wait_until_together()

    def wait_until_together(self, after=0):
        """Waits until the sounds play together: not all begin in the same moment."""
        self.wait(f"return !audio.paused && audio.currentTime > {after + 0.1} && {APART} < 0.02")

    def check(self, heard, after):
        """Checks that one sound is heard now, at the place where the others are, too."""
        assert self.chosen() == heard
        sounding, place = self.state()
        assert sounding == [heard] and place > after
        self.wait(f"return {APART} < 0.05")  # A busy machine may need a moment.
        assert not self.run("return audio.seeking")
        return place


@pytest.fixture
def several(browser, tmp_path):
    rows = [make_clip(tmp_path, name, s, number=n) for n, (name, s) in enumerate(NAMES.items())]
    yield Player(browser, tmp_path, [*rows, FAILED])
    assert not browser.get_log("browser")


def test_the_switch_goes_on_at_the_same_place_by_key_and_by_click(several):
    several.play(0)
    place = several.check(DREAM, after=0)
    for key, heard in [("1", INPUT), ("3", DIFFERENCE), ("b", INPUT), ("b", DREAM), ("2", DREAM)]:
        several.press(key)
        place = several.check(heard, after=place)
    for label, heard in zip(several.all("#switch label"), KINDS):
        label.click()
        place = several.check(heard, after=place)
    several.press(Keys.ARROW_LEFT)  # It is a group of radio buttons, with the focus.
    place = several.check(DREAM, after=place)
    several.run("audio.currentTime = 12")
    several.wait_until_together(after=12)
    several.press("1")
    several.check(INPUT, after=12)


def test_what_is_paused_stays_paused_at_its_place(several):
    several.play(0)
    several.press(" ")
    several.wait("return [...elements.values()].every((e) => e.paused)")
    place = several.run("return audio.currentTime")
    for key in "13b2":
        several.press(key)
        assert several.state() == [[], pytest.approx(place, abs=0.05)]
    several.press("1", " ")
    several.wait_until_together(after=place)
    several.check(INPUT, after=place)
    several.play(1)  # Another clip begins with its dream.
    several.check(DREAM, after=0)


def test_repeated_sounds_stay_together(several):
    several.play(0)
    several.press("r")
    several.run("audio.currentTime = arguments[0]", SECONDS - 0.3)
    several.wait("return !audio.seeking && audio.currentTime < 5")
    several.wait_until_together()
    several.press("1")
    several.check(INPUT, after=0)


def test_the_volume_is_that_of_the_sound_before(several):
    several.play(0)
    several.run("audio.volume = 0.7; audio.muted = true")
    several.press("1")
    assert several.run("return [audio.volume, audio.muted]") == [0.7, True]
    several.run("audio.muted = false")
    several.press("2")
    assert several.run("return [audio.volume, audio.muted]") == [0.7, False]


def test_keys_are_left_to_what_has_the_focus(several):
    several.play(0)
    several.search("b1 ")
    assert several.chosen() == DREAM and several.state()[0] == [DREAM]
    several.search("")
    several.run("document.querySelector('button.play').focus()")
    several.press(" ")  # The button takes it, and nothing takes it a second time.
    several.wait("return audio.paused")


def test_only_what_can_be_compared_can_be_chosen(several):
    several.play(0)
    assert several.positions() == ["input", "dream", "difference"]
    assert not several.one("#no-difference").is_displayed()
    assert several.keys() == ["space", "1", "2", "3", "b", "r", "j", "k", "s", "n", "enter"]
    several.play(1)
    assert several.positions() == ["input", "dream"]
    assert "new phases" in several.one("#no-difference").text
    assert several.keys() == ["space", "1", "2", "b", "r", "j", "k", "s", "n", "enter"]
    several.press("3")
    assert several.chosen() == DREAM
    several.press("1")
    several.play(2)
    assert several.positions() == [] and not several.one("#no-difference").is_displayed()
    assert several.keys() == ["space", "r", "j", "k", "s", "n", "enter"]
    several.press("1", "3", "b")
    assert several.chosen() == DREAM
    several.play(0)
    assert not several.one("#no-difference").is_displayed()


def test_an_ouroboros_has_buttons_for_its_input_and_its_rounds(browser, tmp_path):
    known = {"rounds": 4, "seconds": SECONDS}
    page = Player(browser, tmp_path, [make_clip(tmp_path, "a", ALL[1:2], **known)])
    rounds = page.all("#rounds button")
    assert [each.text for each in rounds] == ["input", "round 1", "2", "3", "4"]
    assert (
        page.keys() == ["space", "1", "r", "s", "n", "enter"]
        and not page.one("#switch").is_displayed()
    )
    page.wait(f"return audio.duration === {SECONDS}")
    heard = "return document.querySelector('#rounds [aria-current=true]').textContent"
    for button, place in zip(rounds, range(0, SECONDS, SECONDS // 5)):
        button.click()
        assert page.run("return audio.currentTime") == place
        page.wait(f"return {heard.removeprefix('return ')} === {button.text!r}")
    page.run("audio.currentTime = 7.9")
    page.wait(f"return {heard.removeprefix('return ')} === 'round 1'")
    page.press("1")
    assert page.run("return audio.currentTime") == 0


def test_sounds_are_those_of_the_record_whatever_their_format(browser, tmp_path):
    suffixes = [".input.flac", ".flac", ".difference.flac"]
    page = Player(browser, tmp_path, [make_clip(tmp_path, "a", suffixes, heard=None)])
    assert page.positions() == ["input", "dream", "difference"]
    sources = page.run("return [...elements.values()].map((each) => each.src.split('/').pop())")
    assert sources == [f"a{suffix}" for suffix in suffixes]
    links = page.run("return [...document.querySelectorAll('.files a')].map((a) => a.textContent)")
    assert links[:3] == ["the sound (flac)", "the input (flac)", "the difference (flac)"]


def test_a_sound_that_is_gone_is_reported_and_cannot_be_chosen(browser, tmp_path):
    rows = [make_clip(tmp_path, name, ALL) for name in "ab"]
    (tmp_path / "a.input.wav").unlink()
    page = Player(browser, tmp_path, rows)
    page.play(0)
    page.wait("return caption.textContent === 'a.input.wav cannot be played.'")
    page.press("1", "b")
    assert page.chosen() == DREAM and page.state()[0] == [DREAM]
    page.press("3")
    assert page.chosen() == DIFFERENCE
    browser.get_log("browser")  # It names the file.


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_played(browser, tmp_path, format):
    files = {}
    for kind in ("", ".input", ".difference"):
        suffix = f"{kind}.{format}"
        silence = np.zeros((SECONDS * RATE, 2))
        content = encode_sound(silence, sample_rate=RATE, encoding=Encoding(format))
        (tmp_path / f"a{suffix}").write_bytes(content)
        files[suffix] = 1
    rows = [{"name": name, "number": 0, "input": "a", "files": files} for name in "ab"]
    page = Player(browser, tmp_path, rows)
    page.play(0)
    for key, sound in (("1", "input"), ("3", "difference"), ("2", "dream")):
        page.press(key)
        page.wait(f"return audio.dataset.kind === '{sound}' && audio.readyState > 2")
    seconds = page.run("return [...elements.values()].map((each) => each.duration)")
    assert seconds == pytest.approx([SECONDS] * 3, abs=0.1)


def test_the_only_clip_has_a_large_view(browser, tmp_path):
    name = next(iter(NAMES))
    known = {"layers": "relu5_4", "heard": ["pipe 53%", "<b>organ</b> 99%"]}
    page = Player(browser, tmp_path, [make_clip(tmp_path, name, ALL, **known)])
    assert not page.all("table") and page.one("h1").text == "loop"
    assert browser.title == "loop - A run"
    page.wait("return document.images[0].naturalWidth === 280")
    picture, player = page.one(".whole"), page.one("#player")
    assert picture.size["width"] > 800
    assert 0 < player.location["y"] - picture.location["y"] - picture.size["height"] < 40
    assert player.location["y"] + player.size["height"] < 900  # It is seen without scrolling.
    text = page.one("article").text
    assert "The network hears pipe 53% in the input, and <b>organ</b> 99% in the dream." in text
    assert FACTS["command"] in text
    links = page.run("return [...document.querySelectorAll('.files a')].map((a) => a.href)")
    suffixes = [".wav", ".input.wav", ".difference.wav", ".png", ".npz", ".json"]
    stem = (tmp_path / "caf").as_uri() + "%E9%20%231%2520%3F"
    assert links == [stem + suffix for suffix in suffixes]
    assert page.state()[0] == []  # Nothing sounds unasked.
    assert page.keys() == ["space", "1", "2", "3", "b", "r", "s", "n", "enter"]
    page.press(" ")
    page.wait_until_together()
    page.press("3")
    page.check(DIFFERENCE, after=0.1)
    assert not browser.get_log("browser")


def test_the_only_clip_that_failed_says_why(browser, tmp_path):
    page = Page(browser, tmp_path, [FAILED])
    reason = page.one(".reason")
    assert reason.text == f"failed: {FAILED['error']}"
    assert float(reason.value_of_css_property("font-size")[:-2]) >= 20
    assert "bad.wav" in page.one("article").text and FACTS["command"] in page.one("article").text
    assert not page.all("audio, img, article a, table") and not browser.get_log("browser")


def tap(browser, element):
    """Taps an element with a finger."""
    finger = ActionBuilder(browser, mouse=PointerInput(interaction.POINTER_TOUCH, "finger"))
    finger.pointer_action.move_to(element).pointer_down().pointer_up()
    finger.perform()


@pytest.mark.parametrize("count", [1, 2])
def test_on_a_phone_the_switch_is_large_and_is_tapped(browser, tmp_path, count):
    rows = [make_clip(tmp_path, f"take {n}" * 9, ALL) for n in range(count)]
    metrics = {"width": 360, "height": 720, "deviceScaleFactor": 1, "mobile": True}
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        page = Player(browser, tmp_path, rows)
        if count == 2:
            page.play(1)
        else:
            page.press(" ")
            page.wait_until_together()
        assert page.run("return document.scrollingElement.scrollWidth") == 360
        for label, heard in zip(page.all("#switch label"), KINDS):
            assert label.size["height"] >= 44 and label.size["width"] >= 44
            tap(browser, label)
            page.check(heard, after=0.1)
        assert page.keys() == []
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
