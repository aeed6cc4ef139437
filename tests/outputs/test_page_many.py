"""The page of a run of many clips, in a real browser and on a phone."""

import numpy as np
import pytest

from tests.helpers.browser import Page, clip

MANY = 5000


@pytest.fixture(scope="module")
def many(browser, tmp_path_factory):
    random = np.random.default_rng(0)
    inputs, classes = ["noise", "loops/amen break.wav"], ["organ", "piano", "synth lead"]
    rows = [
        clip(
            number,
            input=inputs[number % 2],
            lr=float(random.choice([0.01, 0.02, 0.1])),
            heard_as=classes[number % 3],
            **{f"measure_{column}": float(random.normal()) for column in range(10)},
        )
        for number in range(MANY)
    ]
    rows[777] = clip(777, error="out of memory")
    return Page(browser, tmp_path_factory.mktemp("many"), rows)


def test_only_one_page_of_many_rows_is_ever_made(many):
    made = "return table.rows().nodes().toArray().filter(Boolean).length"
    assert many.count() == "1 to 50 of 5,000 clips"
    assert many.run(made) == len(many.all("tbody tr")) == 50
    many.sort("measure_3")
    assert many.run(made) <= 100
    many.search("amen")
    assert many.count() == "1 to 50 of 2,499 clips (5,000 in all)"
    assert set(many.column("input")) == {"loops/amen break.wav"}
    many.redraw_by_click(many.one(".dt-paging .last"))
    assert len(many.all("tbody tr")) == 49
    assert many.run(made) < 500


def test_the_next_clip_may_be_on_the_next_page(many):
    many.forget()
    many.open()
    many.run("play(49)")
    many.press("j")
    assert many.numbers()[0] == 50
    assert many.one("#caption").text.startswith("00050-noise")
    assert many.one("tbody tr.current .text").is_displayed()


def test_a_phone_shows_the_page_without_scrolling_it_sideways(many):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    try:
        many.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        many.forget()
        many.open()
        assert many.run("return document.scrollingElement.scrollWidth") == 390
        assert (
            many.run("return document.querySelector('.clip').getBoundingClientRect().right") < 390
        )
        assert not many.one("thead").is_displayed()
        many.one("#heads").click()
        assert many.run("return document.scrollingElement.scrollWidth") == 390
        assert many.filter("measure_9", ">2.5") != []
        many.one("#only-failed input").click()
        many.filter("measure_9", "")
        assert many.one("tbody .reason").text == "failed: out of memory"
    finally:
        many.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
