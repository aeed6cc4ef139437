"""The page of a listening test, in a browser: from the first sound to the scored answers."""

import json

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from studies.listening.answers import read_answers
from studies.listening.arrange import arrange
from studies.listening.clips import CONTROL, DREAM, PHRASE, SAMPLE_RATE, Clip
from studies.listening.page import make_page
from studies.listening.score import compare, score
from tests.helpers.browser import start_browser

CLASSES = ("pipe", "guitar")
SECONDS = 0.2


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


def make_test():
    known = [(DREAM, source, name) for source in ("crow", "drums") for name in CLASSES]
    known += [(CONTROL, "crow", None), (CONTROL, "drums", None), (PHRASE, "flute", "pipe")]
    time = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    clips = [
        Clip(*each, np.sin(2 * np.pi * (300 + 100 * number) * time))
        for number, each in enumerate(known)
    ]
    return arrange(clips, CLASSES, repeats=2, seed=0, facts={})


class Listener:
    """A person at the page, who uses keys."""

    def __init__(self, browser, folder, test):
        self.browser, self.test = browser, test
        (folder / "index.html").write_text(make_page(test, seconds=SECONDS), encoding="utf-8")
        browser.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        self.address = (folder / "index.html").as_uri()
        browser.get(self.address)
        self.run("localStorage.clear()")
        browser.get(self.address)

    def run(self, script):
        return self.browser.execute_script(script)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def wait(self, script):
        return WebDriverWait(self.browser, 10, 0.02).until(lambda _: self.run(f"return {script}"))

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def asked(self):
        """The trial that is asked for."""
        name = self.run("return data.trials[state.order[state.answers.length]].id")
        return next(trial for trial in self.test.key.trials if trial.id == name)

    def answer(self, key):
        self.wait("!fieldset.disabled")
        self.press(key, Keys.ENTER)


@pytest.fixture
def listener(browser, tmp_path):
    yield Listener(browser, tmp_path, make_test())
    assert not browser.get_log("browser")


def test_answers_are_given_by_keys_saved_and_scored(listener, tmp_path):
    listener.one("#begin").click()
    for number in range(9):
        assert listener.one("#progress span").text == f"Sound {number + 1} of 9"
        target = listener.asked().target
        listener.answer("2" if target == "guitar" else "1")
    assert listener.one("#end").is_displayed()
    listener.one("#save").click()
    name = listener.one("#send b").text
    WebDriverWait(listener.browser, 10, 0.05).until(lambda _: (tmp_path / name).exists())
    key = listener.test.key
    answers = read_answers([str(tmp_path / name)], key)
    found = score(compare(key, answers))
    assert found.shares[DREAM].mean == found.shares[PHRASE].mean == found.alike.mean == 1
    assert answers.plays.tolist() == [[1] * 9]
    assert json.loads((tmp_path / name).read_text()).keys() == {
        *("format", "test", "listener", "answers")
    }


def test_a_sound_is_heard_before_it_is_answered_and_as_often_as_wanted(listener):
    listener.run("player.play = () => Promise.reject(new DOMException('', 'NotAllowedError'))")
    listener.one("#begin").click()
    listener.press("1", Keys.ENTER)
    assert listener.run("return [chosen() ?? null, state.answers.length]") == [None, 0]
    listener.run("delete player.play")
    listener.press(" ")  # The button has the focus.
    listener.wait("state.plays === 1")
    listener.press("1", " ")
    listener.wait("state.plays === 2")
    listener.press("2")
    assert listener.run("return chosen()") == "guitar"
    listener.one("#choices label").click()
    listener.one("#next").click()
    (answer,) = listener.run("return state.answers")
    assert answer["choice"] == "pipe" and answer["plays"] == 2


def test_answers_are_kept_while_the_page_is_closed(listener):
    listener.one("#begin").click()
    for _ in range(3):
        listener.answer("1")
    before = listener.run("return JSON.stringify([state.listener, state.order, state.answers])")
    listener.browser.get(listener.address)
    assert listener.one("#begin").text == "Go on with sound 4"
    after = listener.run("return JSON.stringify([state.listener, state.order, state.answers])")
    assert after == before
    listener.one("#begin").click()
    assert listener.one("#progress span").text == "Sound 4 of 9"


def test_each_listener_has_an_order_in_which_repeats_are_apart(listener):
    orders = listener.run("return [...Array(20)].map(drawOrder)")
    assert len(set(map(tuple, orders))) == 20
    assert all(sorted(order) == list(range(9)) for order in orders)
    sounds = list(listener.test.heard.values())
    for order in orders:
        heard = [sounds[place] for place in order]
        assert all(len(set(heard[at : at + 3])) == 3 for at in range(7))


def test_it_tells_when_the_browser_keeps_nothing(listener):
    listener.run("Storage.prototype.setItem = () => { throw new Error('no'); }")
    listener.one("#begin").click()
    listener.wait("!document.querySelector('#lost').hidden")
    listener.answer("1")
    assert listener.one("#progress span").text == "Sound 2 of 9"


def test_it_fits_a_phone(listener):
    listener.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        for action in ("show('start')", "begin()", "end()"):
            listener.run(action)
            assert listener.run("return document.documentElement.scrollWidth") <= 360
    finally:
        listener.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
