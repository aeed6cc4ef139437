"""The HTML page of a comparison, as text and in a real browser, opened as a file."""

import io
from html.parser import HTMLParser

import numpy as np
import soundfile
from PIL import Image

from studies.optimizers import page, statistics, tables
from studies.optimizers.page import Clip
from tests.helpers.browser import start_browser
from tests.helpers.compared import SETTINGS, make_comparison

HOSTILE = """</td></script><script>document.title='ruined'</script>"'&<!-- fill: title -->"""
FACTS = {"command": "python scripts/compare_optimizers.py"}


def make_clip(optimizer, **changes):
    return Clip(SETTINGS[0], "noise", optimizer, "noise.wav", 1.5, 12.0)._replace(**changes)


def make_png():
    file = io.BytesIO()
    Image.new("RGB", (300, 100), "red").save(file, "png")
    return file.getvalue()


def make_page(*, name="adam", facts=FACTS, clips=()):
    table, costs = make_comparison(strengths={"sgd": 1.0, name: 1.5}, seeds=1)
    overall = statistics.summarise(table, costs, baseline="sgd", over_settings=True)
    each = statistics.summarise(table, costs, baseline="sgd")
    return page.make_page(
        title=name,
        facts=facts,
        pictures={"How far": make_png()},
        tables=[*tables.make_tables(overall), *tables.make_tables(each)],
        clips=clips,
    )


class Tags(HTMLParser):
    """Collects all tags, addresses and texts that a browser would find."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_no_name_becomes_a_tag_or_an_address():
    plain = Tags(make_page(facts={"a": "b"}, clips=[make_clip("adam", src="a")]))
    odd = Clip(HOSTILE, HOSTILE, HOSTILE, "a:b/" + HOSTILE)
    hostile = Tags(make_page(name=HOSTILE, facts={HOSTILE: HOSTILE}, clips=[odd]))
    assert hostile.tags == plain.tags
    assert hostile.texts.count(HOSTILE) == 10  # Title, heading, fact, 3 tables, and the clip's.
    assert hostile.addresses[-1].startswith("a%3Ab/%3C/td%3E")
    assert all(a.startswith(("data:", "#", "a")) for a in hostile.addresses)


def test_the_input_comes_first_and_then_the_highest_gain():
    gains = {"b": 1.0, "c": None, "a": 2.0, None: None}
    texts = Tags(
        make_page(clips=[make_clip(name, gain=gain) for name, gain in gains.items()])
    ).texts
    assert [text for text in texts if text in ("input", "a", "b", "c")] == ["input", "a", "b", "c"]
    assert "gain 2, moved 12 dB" in texts and "gain –, moved 12 dB" in texts


def test_in_a_browser_the_first_table_is_open_and_one_sound_plays_at_a_time(tmp_path):
    browser = start_browser(tmp_path / "profile")
    try:
        soundfile.write(tmp_path / "a b:1.wav", np.zeros(22050), 22050)
        clips = [make_clip(name, src="a b:1.wav") for name in (None, "sgd", "adam")]
        (tmp_path / "index.html").write_text(make_page(clips=clips), encoding="utf-8")
        browser.get((tmp_path / "index.html").as_uri())
        details = browser.find_elements("css selector", "#tables ~ details")
        assert [each.get_attribute("open") for each in details] == ["true", None, None, None]
        assert "adam" in details[0].text and "× baseline" in details[0].text
        image = "return document.querySelector('figure img').naturalWidth"
        assert browser.execute_script(image) == 300
        browser.find_element(
            "css selector", "h1"
        ).click()  # A page must be touched before it plays.
        play = (
            "const done = arguments[0], all = [...document.querySelectorAll('audio')];"
            "all[0].muted = all[2].muted = true;"
            "all[0].play().then(() => all[2].play())"
            ".then(() => done(all.map((a) => a.paused)), (e) => done(`${e}`))"
        )
        assert browser.execute_async_script(play) == [True, True, False]
        assert not browser.get_log("browser")
    finally:
        browser.quit()
