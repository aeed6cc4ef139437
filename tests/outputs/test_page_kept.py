"""What a person adds to a run's page and where that person was; commands, filters, a preview."""

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from tests.helpers.browser import Page
from tests.outputs.test_player import ALL, make_clip

LONG = "a very long name of a recording without any break_in_it_at_all" * 3
COMMAND = "dreamsound 'it'\"'\"'s <b>.wav' --lr=0.1 --seed=3"
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}


def row(number, **known):
    shared = {"input": "noise", "model": "gm", "layers": "relu3_4", "seed": 3}
    name = f"{number:05d}-noise"
    return {"name": name, "number": number, **shared, "lr": number / 10, "picture": False, **known}


ROWS = [row(number, command=COMMAND) for number in range(5)]


@pytest.fixture
def page(browser, tmp_path):
    return Page(browser, tmp_path, ROWS)


def starred(page):
    pressed = "[...document.querySelectorAll('.star[aria-pressed=true]')]"
    return page.run(f"return {pressed}.map((each) => each.title)")


def copied(page):
    """What the page says that it has copied, and the text."""
    page.wait("return !document.getElementById('toast').hidden")
    return page.one("#toast p").text, page.run("return document.querySelector('pre').textContent")


def test_columns_that_are_the_same_in_all_rows_are_shown_when_asked_for(page):
    assert page.heads() == ["clip", "number", "lr"]
    assert page.one("#all").text == "show all columns (4 more)"
    page.one("#all").click()
    assert page.heads() == ["clip", "number", "input", "model", "layers", "seed", "lr"]
    assert page.column("model") == ["gm"] * 5
    assert page.filter("layers", "relu5") == []
    page.filter("layers", "")
    page.one("#all").click()
    assert page.heads() == ["clip", "number", "lr"] and page.numbers() == [0, 1, 2, 3, 4]


def test_stars_and_notes_are_kept_for_this_run_only(page, browser, tmp_path):
    page.all(".star")[1].click()
    page.all(".star")[3].click()
    page.all(".note")[3].send_keys("for the <b>intro</b>, 'loud'")
    page.open()
    assert starred(page) == ["Star 00001-noise", "Star 00003-noise"]
    notes = "return [...document.querySelectorAll('.note')].map((each) => each.value)"
    assert page.run(notes) == ["", "", "", "for the <b>intro</b>, 'loud'", ""]
    page.one("#only-starred input").click()
    assert page.numbers() == [1, 3]
    page.one("#copy-starred").click()
    said, text = copied(page)
    assert said == "Copied the starred clips and their commands:"
    assert text.splitlines() == [
        *("# 00001-noise", COMMAND),
        *("# 00003-noise: for the <b>intro</b>, 'loud'", COMMAND),
    ]
    page.all(".star")[0].click()  # A clip that has no star any more is shown no more.
    page.wait("return table.rows({ search: 'applied' }).count() === 1")
    other = tmp_path / "other"
    other.mkdir()
    kept = page.run("return localStorage.length")
    Page.forget, forget = lambda self: None, Page.forget
    try:
        other_run = Page(browser, other, ROWS, facts={"command": "dreamsound --seed=4"})
        assert starred(other_run) == [] and other_run.numbers() == [0, 1, 2, 3, 4]
        other_run.all(".star")[0].click()
        assert other_run.run("return localStorage.length") == kept + 1
    finally:
        Page.forget = forget
    page.open()
    assert starred(page) == ["Star 00003-noise"]


def test_the_search_looks_in_notes_as_they_are_now(page):
    page.all(".note")[3].send_keys("for the intro")
    assert page.search("intro") == [3]
    assert page.all(".note")[0].get_attribute("value") == "for the intro"
    page.all(".note")[0].send_keys(Keys.CONTROL, "a", Keys.NULL, "outro")
    assert page.search("intro") == []
    page.open("#search=outro")
    assert page.numbers() == [3]
    page.all(".star")[0].click()
    assert starred(page) == ["Star 00003-noise"]


def test_star_and_note_of_an_only_clip_are_kept(browser, tmp_path):
    page = Page(browser, tmp_path, [make_clip(tmp_path, "00000-noise", ALL[:2], command=COMMAND)])
    page.press("n", "s is no key here")
    assert starred(page) == []
    page.press(Keys.ENTER, "s")
    page.open()
    assert starred(page) == ["Star 00000-noise"]
    assert page.one(".note").get_attribute("value") == "s is no key here"
    page.one(".star").click()
    assert starred(page) == [] and not browser.get_log("browser")


def test_a_swept_flag_that_says_what_another_column_says_has_none(browser, tmp_path):
    layers = ("relu3_4", "relu2_2+relu5_4")
    rows = [row(n, layers=each, layers_to_use=each) for n, each in enumerate(layers)]
    page = Page(browser, tmp_path, rows)
    assert "layers" in page.heads() and "layers_to_use" not in page.heads()
    page.open("#layers_to_use=relu5")
    assert page.numbers() == [1] and page.said() == {}
    other = Page(browser, tmp_path, [*rows, row(2, layers="mp1", layers_to_use="iterate")])
    assert other.column("layers_to_use") == [*layers, "iterate"]


def test_a_page_whose_browser_keeps_nothing_works_and_says_so(page):
    page.run("Storage.prototype.setItem = () => { throw new Error('full'); }")
    page.all(".star")[0].click()
    assert page.said() == {"memory": "This browser does not keep stars and notes of this page."}
    page.run("localStorage[KEY] = '{\"stars\": 3'")  # What is damaged is left.
    page.open()
    assert page.numbers() == [0, 1, 2, 3, 4]


def test_the_command_of_a_clip_is_copied_as_it_is(page):
    page.all(".copy")[2].click()
    assert copied(page) == ("Copied the command of 00002-noise:", COMMAND)


def test_the_place_is_kept(browser, tmp_path):
    rows = [make_clip(tmp_path, f"{n:05d}", ALL[1:2], number=n, lr=-n / 10) for n in range(30)]
    page = Page(browser, tmp_path, rows)
    page.sort("lr")
    page.search("0000")
    page.filter("lr", "<-0.15")
    assert page.numbers() == [9, 8, 7, 6, 5, 4, 3, 2]
    page.all("button.play")[2].click()
    page.wait("return audio.currentTime > 0.2")
    page.run("audio.pause(); audio.currentTime = 7; scroller.scrollTo(0, 60)")
    address = browser.current_url
    assert address.endswith("#lr=%3C-0.15&search=0000")
    for again in (lambda: browser.refresh(), lambda: page.open()):
        again()
        page.wait("return audio.currentTime === 7")
        assert page.numbers() == [9, 8, 7, 6, 5, 4, 3, 2] and browser.current_url == address
        assert page.one("tr.current .text").text.startswith("00007")
        assert page.run("return [scroller.scrollTop, audio.paused]") == [60, True]
        assert page.one("#caption").text == "00007"
    page.one("#clear").click()
    assert len(page.numbers()) == 30 and browser.current_url.endswith("index.html")


ADDRESSES = {
    "#lr=>0.1 <0.4": [2, 3],
    "#lr=%3E0.1&search=00003": [3],
    "#lay=relu3_4+": [],  # The beginning of one name is enough; + is a plus.
    "#layers=relu3_4": [0, 1, 2, 3, 4],
    "#number=2&only=starred": [],
    "": [0, 1, 2, 3, 4],
}


def test_an_address_filters(page):
    for address, numbers in ADDRESSES.items():
        page.forget()
        page.open(address)
        assert page.numbers() == numbers and page.said() == {}, address
    page.run("location.hash = '#number=4'")
    page.wait("return table.rows({ search: 'applied' }).count() === 1")


def test_a_filter_that_cannot_be_is_told_in_one_line(page):
    page.open("#l=1&<i>=2&lr=0.2&100%=x")
    assert page.said() == {
        "unknown": "This run has no column “l” and no column “<i>” and no column “100%” to filter "
        "by; it has clip, number, input, model, layers, seed, lr."
    }
    assert page.numbers() == [2]
    page.filter("lr", ">=high")
    assert page.said() == {
        "numbers": "A filter of numbers must be conditions such as 0.1, >=0.1 or >0.1 <1, and is "
        "“>=high” for lr."
    }
    page.filter("lr", ">=")
    assert page.said() == {}


def test_a_run_that_goes_on_says_so_even_with_one_clip(browser, tmp_path):
    page = Page(browser, tmp_path, ROWS[:1], missing=11)
    assert page.numbers() == [0]
    assert page.said() == {
        "missing": "11 clips are not dreamed yet. While the run goes on, reload this page to see "
        "more."
    }


@pytest.fixture
def preview(browser, tmp_path):
    rows = []
    for number, (name, preset) in enumerate([(LONG, "hits"), ("b.wav", "hits"), ("b.wav", "rise")]):
        clip = make_clip(tmp_path, f"{number:05d}-{name}", ALL, number=number, input=name)
        told = {"preset": preset, "what_to_expect": "A few hits become <b>much</b> stronger."}
        command = f"dreamsound {name} --preset={preset} --seed=1"
        small = tmp_path / f"{clip['name'][:200]}.small.png"
        Image.new("RGB", (176, 108), "teal").save(small)
        clip["files"] |= {".small.png": 9}
        rows.append({**clip, **told, "command": command, "model": "gm", "seed": 1})
    rows[0] |= {"excerpt": "2.50:7.50"}
    rows.append({"name": "00003-c", "number": 3, "input": "c", "preset": "hits", "error": LONG})
    return Page(browser, tmp_path, rows, is_preview=True)


def test_a_preview_is_grouped_by_input_with_what_to_expect_and_full_commands(preview):
    groups = [each.text for each in preview.all(".group")]
    assert groups == [
        f"{LONG}: its loudest seconds, 2.50 to 7.50",
        *("b.wav: the whole of it", "c: the whole of it"),
    ]
    names = ["clip", "preset", "what_to_expect", "command_for_the_whole_input"]
    assert preview.heads() == names
    assert preview.column("command_for_the_whole_input")[1:] == [
        *("dreamsound b.wav --preset=hits --seed=1", "dreamsound b.wav --preset=rise --seed=1", "")
    ]
    preview.sort("preset")
    preview.sort("preset")
    assert [each.text for each in preview.all(".group")] == groups
    assert preview.column("preset") == ["hits", "rise", "hits", "hits"]
    preview.all(".copy")[1].click()
    assert copied(preview) == (
        *("Copied the command for the whole input:", "dreamsound b.wav --preset=rise --seed=1"),
    )


def test_a_preview_fits_a_narrow_phone(preview):
    try:
        preview.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        for _ in range(2):
            preview.open()
            preview.one("#heads").click()
            preview.run("document.getElementById('facts').open = true")
            preview.run("play(0)")
            preview.run("arguments[0].click()", preview.all(".copy")[0])
            assert preview.run("return document.scrollingElement.scrollWidth") == 360
            if not preview.run("return showsAll"):
                preview.one("#all").click()
                assert preview.run("return document.scrollingElement.scrollWidth") == 360
        small = "[...document.querySelectorAll('button')].filter((each) => each.offsetWidth)"
        sizes = f"{small}.map((each) => [each.offsetWidth, each.offsetHeight, each.className])"
        assert [size for size in preview.run(f"return {sizes}") if min(size[:2]) < 44] == []
    finally:
        preview.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
