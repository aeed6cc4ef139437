"""The page of a run, in a real browser, opened as a file."""

import json
import re
import time
import urllib.parse
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from dreamsound_jax.outputs.page import page
from tests.helpers.browser import Page, start_browser

HOSTILE = (
    """</script ><!--<script><img src=x onerror="document.title='ruined'"> & 'it' #1 50%25 ? ü 声"""
)
HOSTILE_NAME = HOSTILE.replace("/", "")  # no file has a slash in its name


def clip(number, **known):
    return {"name": f"{number:05d}-noise", "number": number, **known}


def failing(number, reason, **known):
    return clip(number, error=reason, **known)


# Sorted as texts, 10 would come before 9, and -0.5 before -3.
FEW = [
    clip(2, input="loops/amen break.wav", lr=0.1, p_target=None, heard_as="synth lead", ok=True),
    clip(0, input="noise", lr=9, p_target=-0.5, heard_as="organ", ok=False),
    clip(1, input="noise", lr=10, p_target=-3.0, heard_as="organ", ok=True, seed=2**60 + 1),
    failing(3, "cannot be read: <i>no</i> such & such", input="missing.wav"),
    {"name": HOSTILE_NAME, "number": 10, "input": HOSTILE, "lr": 0.01234567, "heard_as": "Organ"},
    clip(4, picture=False, input="sine", lr=1e-9, p_target=float("nan"), heard_as="pipe"),
]


# What the function returns.


class Tags(HTMLParser):
    """All tags and addresses that a browser would find, and what scripts read."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.known, self.inside = [], [], None, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.inside = dict(attrs).get("id") == "clips"

    def handle_data(self, data):
        if self.inside:
            self.known, self.inside = json.loads(data), False


def test_columns_stand_in_the_order_of_their_first_appearance_and_rows_by_number():
    known = Tags(page.index_html(FEW, title="run", facts={})).known
    assert known["columns"] == ["number", "input", "lr", "p_target", "heard_as", "ok", "seed"]
    assert [row[4] for row in known["clips"]] == [0, 1, 2, 3, 4, 10]
    assert known["clips"][1][-1] == str(2**60 + 1)  # a browser would round it
    assert known["clips"][4][7] is None  # JSON has no NaN
    assert Tags(page.index_html([], title="", facts={})).known == {"columns": [], "clips": []}


def test_nothing_that_is_named_becomes_a_tag_or_an_address():
    plain = Tags(page.index_html(FEW[:1], title="run", facts={"a": "b"}))
    rows = [*FEW, {"name": HOSTILE, HOSTILE: HOSTILE}, {"name": "a", "error": HOSTILE}]
    told = page.index_html(rows, title=HOSTILE + "<!-- fill: clips -->", facts={HOSTILE: HOSTILE})
    hostile = Tags(told)
    assert hostile.tags == plain.tags
    assert hostile.addresses == plain.addresses == ["data:,"]
    assert not re.search(r"https?:|//\w|url\(|@import|fetch\(|XMLHttp", told)


def test_a_name_that_is_no_text_still_has_an_address():
    odd = b"caf\xe9 #1".decode("utf-8", "surrogateescape")
    text = page.index_html([{"name": odd}], title=odd, facts={odd: odd})
    assert Tags(text).known["clips"][0][1] == "caf%E9%20%231"
    text.encode()


# In the browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def few(browser, tmp_path):
    yield Page(browser, tmp_path, FEW)
    log = [entry["message"] for entry in browser.get_log("browser")]
    assert not [message for message in log if "ERR_FILE_NOT_FOUND" not in message]


def test_all_that_is_known_is_shown(few):
    assert few.browser.title == "A run"
    assert few.one("header dl").text.splitlines() == [
        *("command", "dreamsound --lr=0.01,0.1"),
        *("device", "<b>cpu</b> & more"),
    ]
    assert few.numbers() == [0, 1, 2, 3, 4, 10]
    assert few.names()[0] == "00000-noise" and few.names()[-1] == HOSTILE_NAME
    assert few.one("#count").text == "6 of 6 clips"
    assert few.column("lr") == ["9.000", "10.000", "0.100", "–", "1.0e-9", "0.012"]
    assert few.column("ok") == ["false", "true", "true", "–", "–", "–"]
    assert few.column("seed")[1] == str(2**60 + 1)
    links = [link.get_attribute("href") for link in few.all("#body [aria-rowindex='2'] a")]
    assert [link.rsplit("/", 1)[1] for link in links] == [
        f"00000-noise.{kind}" for kind in ("wav", "json", "npz")
    ]


@pytest.mark.parametrize(
    ("column", "upwards", "downwards"),
    [
        ("lr", [4, 10, 2, 0, 1, 3], [1, 0, 2, 10, 4, 3]),
        ("p_target", [1, 0, 2, 3, 4, 10], [0, 1, 2, 3, 4, 10]),
        ("heard_as", [0, 1, 10, 4, 2, 3], [2, 4, 0, 1, 10, 3]),
        ("ok", [0, 1, 2, 3, 4, 10], [1, 2, 0, 3, 4, 10]),
        ("number", [0, 1, 2, 3, 4, 10], [10, 4, 3, 2, 1, 0]),
    ],
)
def test_columns_sort_numbers_as_numbers_and_what_has_no_value_last(
    few, column, upwards, downwards
):
    few.sort(column)
    assert few.numbers() == upwards
    head = few.one(f"#head [data-column={column}]")
    assert head.get_attribute("aria-sort") == "ascending"
    few.sort(column)
    assert few.numbers() == downwards
    assert head.get_attribute("aria-sort") == "descending"
    assert len(few.all("[aria-sort]")) == 1


def test_a_column_sorts_from_the_keyboard(few):
    few.run("document.querySelector('#head [data-column=lr] button').focus()")
    few.press(Keys.ENTER)
    assert few.numbers()[0] == 4
    few.press(Keys.SPACE)
    assert few.numbers()[0] == 1 and not few.all("audio")


FILTERS = [
    ("", [0, 1, 2, 3, 4, 10]),
    ("NOISE organ", [0, 1]),
    ("amen", [2]),
    ("lr>=0.1", [0, 1, 2]),
    ("lr>0.1 lr<10", [0]),
    ("lr<=0.0123456", [4]),
    ("lr=0.1", [2]),
    ("lr=0.012", [10]),
    ("lr>=", [0, 1, 2, 3, 4, 10]),
    ("lr>=x", []),
    ("lr=", [3]),
    ("p_target!=", [0, 1]),
    ("heard_as=organ", [0, 1, 10]),
    ("heard_as!=organ", [2, 3, 4]),
    ('heard_as="synth lead"', [2]),
    ('"amen break" ok=true', [2]),
    ("input:loops/", [2]),
    ("error:read", [3]),
    ("such", [3]),
    ("<img", [10]),
    ("no_column=1", []),
]


def test_the_filter_takes_words_and_columns(few):
    for text, numbers in FILTERS:
        assert few.filter(text) == numbers, text
        assert few.one("#count").text == f"{len(numbers)} of 6 clips"
        assert few.one("#nothing").is_displayed() == (not numbers)


def test_the_help_names_filters_that_work(few):
    for example in few.one("#examples").text.split():
        assert example in few.one("#filter").get_attribute("placeholder")
        assert 0 < len(few.filter(example)) < 6


def test_failed_clips_say_why_and_can_be_seen_alone(few):
    (failed,) = few.all("#body .failed")
    assert few.numbers(".failed") == [3]
    assert failed.find_element("css selector", ".reason").text == FEW[3]["error"]
    assert not failed.find_elements("css selector", "a, img, button.play")
    few.one("#only-failed").click()
    assert few.numbers() == [3]
    few.one("#body .name button").click()
    assert FEW[3]["error"] in few.one("#shown-reason").text


def test_hostile_names_are_only_text(few):
    few.sort("number")
    few.sort("number")
    few.one("#body .name button").click()
    few.wait("return document.querySelector('#overlay').open")
    assert few.one("#shown-name").text == HOSTILE_NAME
    assert HOSTILE in few.one("#shown-values").text
    assert few.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert few.browser.title == "A run"


def test_a_view_is_kept_in_the_address(few):
    few.sort("lr")
    few.sort("lr")
    few.filter('heard_as=organ input:"noise"')
    few.wait("return location.hash.includes('noise')")
    view = few.run("return location.hash")
    few.open()
    assert few.numbers() == [0, 1, 2, 3, 4, 10]
    few.open(view)
    assert few.numbers() == [1, 0]
    assert few.one("#filter").get_attribute("value") == 'heard_as=organ input:"noise"'
    few.run("location.hash = 'failed=1'")
    few.wait("return document.querySelector('#failed').checked")
    assert few.numbers() == [3]


def test_a_page_of_nothing_opens(browser, tmp_path):
    empty = Page(browser, tmp_path, [])
    assert empty.one("#count").text == "0 of 0 clips"
    empty.press("j", "k", Keys.SPACE, Keys.ENTER)
    assert not browser.get_log("browser")


def write_files(folder, name, seconds):
    rate = 8000
    tone = 0.01 * np.sin(np.arange(rate * seconds) * 0.3)
    soundfile.write(folder / f"{name}.wav", tone, rate)
    Image.new("RGB", (280, 170), "teal").save(folder / f"{name}.png")
    (folder / f"{name}.json").write_text("{}")


SOUNDS = {"a b#1%20?": 5, "ü 声 & 'c'": 6, "plain": 7}  # and how many seconds they last


@pytest.fixture
def sounding(browser, tmp_path):
    """Four clips with files; the third failed."""
    for name, length in SOUNDS.items():
        write_files(tmp_path, name, length)
    rows = [{"name": name, "number": place} for place, name in zip((0, 1, 3), SOUNDS)]
    return Sounding(browser, tmp_path, [*rows, failing(2, "no")])


class Sounding(Page):
    """A page whose clips are known by the lengths of their sounds."""

    def play(self, place):
        self.all("#body button.play")[place].click()
        self.wait_for(list(SOUNDS.values())[place])

    def wait_for(self, length):
        """Until the clip of this length is heard."""
        heard = f"audio.duration === {length} && !audio.paused && audio.currentTime > 0"
        self.wait(f"return audio && {heard}")


def test_one_player_plays_and_loads_nothing_before_it_is_asked(sounding):
    sounding.wait("return document.querySelector('#body img')?.complete")
    loads = "return performance.getEntriesByType('resource').map((e) => e.name)"
    assert not sounding.all("audio")
    assert not [name for name in sounding.run(loads) if ".wav" in name]
    sounding.play(0)
    assert sounding.run("return document.querySelector('audio').preload") == "none"
    sounding.play(1)
    assert len(sounding.all("audio")) == 1
    assert len(sounding.all("#body button.on")) == 1
    assert all(name.startswith("file:") for name in sounding.run(loads))


def test_keys_play_pause_and_move_past_what_failed(sounding):
    sounding.play(0)
    sounding.press(Keys.SPACE)
    sounding.wait("return audio.paused")
    sounding.press("j", "j")  # in silence, row by row
    assert sounding.current() == [2]
    sounding.press("k", Keys.SPACE)
    sounding.wait_for(6)
    sounding.press(Keys.ARROW_DOWN)
    sounding.wait_for(7)
    sounding.press("k", Keys.ARROW_UP)
    sounding.wait_for(5)
    assert sounding.current() == [0]
    sounding.press("/", "jk ")
    assert sounding.one("#filter").get_attribute("value") == "jk "


def test_the_next_clip_follows_when_it_is_wanted(sounding):
    end = "audio.currentTime = audio.duration - 0.1"
    sounding.play(0)
    sounding.run(end)
    sounding.wait("return audio.ended")
    sounding.play(1)
    sounding.one("#autoplay").click()
    sounding.one("#body [aria-rowindex='5'] .number").click()  # looking elsewhere meanwhile
    sounding.run(end)
    sounding.wait_for(7)
    assert sounding.current() == [3]


def test_a_sound_that_is_gone_is_told(few):
    few.one("#body button.play").click()
    few.wait("return document.querySelector('#trouble').textContent")
    assert few.one("#trouble").text == "cannot play 00000-noise.wav"


def test_pictures_load_and_open_large(sounding):
    widths = "return [...document.querySelectorAll('#body img')].map((i) => i.naturalWidth)"
    WebDriverWait(sounding.browser, 10).until(lambda _: sounding.run(widths) == [280] * 3)
    sounding.one("#body .thumbnail").click()
    large = "return document.querySelector('#overlay[open] #shown-picture img')?.naturalWidth"
    assert sounding.wait(large) == 280
    address = sounding.one("#shown-picture").get_attribute("href")
    assert address.endswith("/" + urllib.parse.quote("a b#1%20?") + ".png")
    sounding.press(Keys.SPACE)
    sounding.wait_for(5)
    sounding.press(Keys.ARROW_RIGHT)
    sounding.wait_for(6)
    assert sounding.one("#shown-name").text == "ü 声 & 'c'"
    sounding.press(Keys.ESCAPE)
    assert not sounding.all("#overlay[open]")


def test_links_lead_to_the_files(sounding):
    for link in sounding.all("#body .files a:first-child, #body .files a:nth-child(2)"):
        path = urllib.parse.unquote(urllib.parse.urlparse(link.get_attribute("href")).path)
        assert path.rsplit("/", 1)[1].rsplit(".", 1)[0] in SOUNDS
        with open(path, "rb") as file:
            assert file.read(1)


# Many clips.

MANY = 20_000


@pytest.fixture(scope="module")
def many(browser, tmp_path_factory):
    random = np.random.default_rng(0)
    inputs, classes = ["noise", "loops/amen break.wav"], ["organ", "piano", "synth lead"]
    rows = [
        clip(
            number,
            input=inputs[number % 2],
            seed=int(random.integers(2**31)),
            lr=float(random.choice([0.01, 0.02, 0.1])),
            p_target=float(random.uniform()),
            heard_as=classes[number % 3],
            **{f"measure_{column}": float(random.normal()) for column in range(6)},
        )
        for number in range(MANY)
    ]
    rows[777] = failing(777, "out of memory")
    return Page(browser, tmp_path_factory.mktemp("many"), rows)


def seconds(many, action):
    """How long an action keeps the page busy, until what it changed is laid out."""
    busy = f"const start = performance.now(); {action}; body.offsetHeight;"
    return many.run(f"{busy} return performance.now() - start") / 1000


def typing(text):
    return f"at('filter').value = '{text}'; at('filter').dispatchEvent(new Event('input'))"


def test_twenty_thousand_clips_open_sort_and_filter_at_once(many):
    start = time.perf_counter()
    many.open()
    assert time.perf_counter() - start < 5
    assert seconds(many, "sortBy('p_target')") < 0.5
    assert seconds(many, "sortBy('name')") < 0.5
    assert seconds(many, typing("amen")) < 0.5
    assert many.one("#count").text == "9,999 of 20,000 clips"
    assert seconds(many, typing("lr>=0.02 heard_as=organ")) < 0.5
    assert set(many.column("heard_as")) == {"organ"} and len(many.names()) < 40


def test_few_rows_are_there_wherever_one_scrolls(many):
    many.open()
    assert 5 < len(many.all("#body > *")) < 40
    for place in range(0, MANY, MANY // 8):
        many.run(f"scroller.scrollTop = {place} * rowHeight()")
        many.wait(f"return rows.has({place})")
        assert len(many.all("#body > *")) < 40
    many.run("scroller.scrollTop = scroller.scrollHeight")
    many.wait(f"return rows.has({MANY - 1})")
    assert many.names()[-1] == f"{MANY - 1}-noise"
    assert len(many.all("#body > *")) < 40
    last = many.all("#body > *")[-1]
    room = many.run("return scroller.getBoundingClientRect().bottom")
    assert last.rect["y"] + last.rect["height"] <= room + 1


def test_a_narrow_screen_shows_cards_that_fit(many):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    try:
        many.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        many.open("#sort=p_target&down=1")
        assert many.run("return scroller.scrollWidth <= scroller.clientWidth")
        assert many.one("#sort").is_displayed() and not many.one("#head").is_displayed()
        many.run("scroller.scrollTop = scroller.scrollHeight")
        many.wait(f"return rows.has({MANY - 1})")
        assert many.names()[-1] == "00777-noise"
        assert many.one("#body .failed .reason").text == "out of memory"
    finally:
        many.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
