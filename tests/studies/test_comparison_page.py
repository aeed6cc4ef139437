"""The page of a comparison, as text and in a real browser, opened as a file."""

import io
from html.parser import HTMLParser

import numpy as np
import soundfile
from PIL import Image

from studies.optimizers import page, statistics
from tests.helpers.browser import start_browser
from tests.helpers.compared import SETTINGS, comparison

HOSTILE = """</td></script><script>document.title='ruined'</script>"'&<!-- fill: title -->"""
FACTS = {"command": "python scripts/compare_optimizers.py"}


def clip(optimizer, setting=SETTINGS[0], sound="noise", **known):
    told = {"setting": setting, "optimizer": optimizer, "input": sound, "src": "noise.wav"}
    return told | {"gain": 1.5, "moved_db": 12.0} | known


def png():
    file = io.BytesIO()
    Image.new("RGB", (300, 100), "red").save(file, "png")
    return file.getvalue()


def write(*, name="adam", facts=FACTS, clips=()):
    rows, costs = comparison(strengths={"sgd": 1.0, name: 1.5})
    found = statistics.overall(rows, costs, baseline="sgd")
    found += statistics.summarise(rows, costs, baseline="sgd")
    given = {"facts": facts, "pictures": {"How far": png()}, "clips": clips}
    return page.compare_html(title=name, summaries=found, **given)


class Tags(HTMLParser):
    """All tags, addresses and texts that a browser would find."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_nothing_that_is_named_becomes_a_tag_or_an_address():
    plain = Tags(write(facts={"a": "b"}, clips=[clip("adam", src="a")]))
    odd = clip(HOSTILE, HOSTILE, HOSTILE, src="a:b/" + HOSTILE)
    hostile = Tags(write(name=HOSTILE, facts={HOSTILE: HOSTILE}, clips=[odd]))
    assert hostile.tags == plain.tags
    assert hostile.texts.count(HOSTILE) == 10  # title, heading, fact, 3 tables, and the clip's
    assert hostile.addresses[-1].startswith("a%3Ab/%3C/td%3E")
    assert all(a.startswith(("data:", "#", "a")) for a in hostile.addresses)


def test_the_input_comes_first_and_then_the_best():
    clips = [clip("b", gain=1.0), clip("c", gain=None), clip("a", gain=2.0), clip(None, gain=None)]
    texts = Tags(write(clips=clips)).texts
    listed = [text for text in texts if text in ("input", "a", "b", "c")]
    assert listed == ["input", "a", "b", "c"]
    assert "gain 2, moved 12 dB" in texts and "gain –, moved 12 dB" in texts


def test_in_a_browser_the_overall_table_is_open_and_one_sound_plays_at_a_time(tmp_path):
    browser = start_browser(tmp_path / "profile")
    try:
        soundfile.write(tmp_path / "a b:1.wav", np.zeros(22050), 22050)
        clips = [clip(name, src="a b:1.wav") for name in (None, "sgd", "adam")]
        (tmp_path / "index.html").write_text(write(clips=clips), encoding="utf-8")
        browser.get((tmp_path / "index.html").as_uri())
        details = browser.find_elements("css selector", "#tables ~ details")
        assert [each.get_attribute("open") for each in details] == ["true", None, None, None]
        assert "adam" in details[0].text and "× baseline" in details[0].text
        image = "return document.querySelector('figure img').naturalWidth"
        assert browser.execute_script(image) == 300
        browser.find_element("css selector", "h1").click()  # no page plays before it is touched
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
