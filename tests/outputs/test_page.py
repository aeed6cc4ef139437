"""The page of a run, in a real browser, opened as a file."""

import json
import urllib.parse
from html.parser import HTMLParser

import pytest

from dreamsound_jax.outputs.page import page
from tests.helpers.browser import NOT_UTF8, Page, clip

HOSTILE = (
    """</script ><!--<script><img src=x onerror="document.title='ruined'"> & 'it' #1 50%25 ? ü 声"""
)
HOSTILE_NAME = HOSTILE.replace("/", "")  # No file has a slash in its name.


# Sorted as texts, 10 would come before 9, and -0.5 before -3.
FEW = [
    clip(2, input="loops/amen break.wav", lr=0.1, p_target=None, heard_as="synth lead", ok=True),
    clip(0, input="noise", lr=9, p_target=-0.5, heard_as="organ", ok=False),
    clip(1, input="noise", lr=10, p_target=-3.0, heard_as="organ", ok=True, seed=2**60 + 1),
    clip(3, input="missing.wav", error="cannot be read: <i>no</i> such & such"),
    {"name": HOSTILE_NAME, "number": 10, "input": HOSTILE, "lr": 0.01234567, "heard_as": "Organ"},
    clip(4, picture=False, input="sine", lr=1e-9, p_target=float("nan"), heard_as="pipe"),
]


# What the function returns.


class Tags(HTMLParser):
    """All tags and addresses that a browser would find, and what the script reads."""

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


def test_columns_keep_the_order_of_their_first_appearance_and_rows_are_in_order_of_number():
    known = Tags(page.index_html(FEW, title="run", facts={})).known
    names = ["clip", "number", "input", "lr", "p_target", "heard_as", "ok", "seed"]
    assert [column["name"] for column in known["columns"]] == names
    numeric = [column["name"] for column in known["columns"] if column["isNumeric"]]
    assert numeric == ["number", "lr", "p_target"]
    assert [row[1] for row in known["rows"]] == [0, 1, 2, 3, 4, 10]
    assert known["rows"][1][-1] == str(2**60 + 1)  # A browser would round the number.
    assert known["rows"][4][4] is None  # JSON has no NaN.


def test_what_all_clips_share_is_hidden_and_told_and_what_is_heard_is_told_before_and_after():
    shared = {"model": "gm", "domain": "mel", "true_peak_dbtp": -3.0}
    rows = [
        clip(n, **shared, mix=n / 2, heard_as="organ", heard=["pipe 92%", "organ 59%"])
        for n in range(2)
    ]
    rows += [clip(2, error="cannot be read"), clip(3, **shared, mix=1.0, heard_as="pipe")]
    html = page.index_html(rows, title="run", facts={})
    columns = {each["name"]: each["isHidden"] for each in Tags(html).known["columns"]}
    hidden = {"model": True, "domain": True}
    assert columns == {"clip": False, "number": False, **hidden, "mix": False, "heard_as": False}
    assert "<dt>in all clips</dt><dd>model gm, domain mel</dd>" in html
    heard = [row[5] for row in Tags(html).known["rows"]]
    assert heard == ["pipe 92% -> organ 59%"] * 2 + [None, "pipe"]


def test_no_text_becomes_a_tag_or_an_address():
    def pages_of(text):
        """A table, and large views of a clip that came out and of one that failed."""
        rows = [{"name": text}, {"name": "a", "error": text}, {"name": "b", text: text}]
        large = {"name": text, text: text, "input": text, "heard": [text, text]}
        large |= {"files": {".wav": 1, text: 1}}
        for clips in (rows, [large], [{"name": text, "error": text}]):
            yield Tags(page.index_html(clips, title=text, facts={text: text}))

    for text in (HOSTILE, '"><img src=x>', "<!-- fill: clips -->"):
        for hostile, plain in zip(pages_of(text), pages_of("plain"), strict=True):
            assert hostile.tags == plain.tags, text
            quoted = urllib.parse.quote(text, safe="")
            expected = [address.replace("plain", quoted) for address in plain.addresses]
            assert hostile.addresses == expected and expected[0] == "data:,", text


def test_records_that_hold_anything_make_a_page():
    odd = {"number": 7, "name": "x", "error": {"why": 1}, "list": [float("nan")], "deep": {"a": []}}
    html = page.index_html([odd, {"number": 8, "name": "y", "list": 3}], title="t", facts={})
    assert "[nan]" in html and "{'why': 1}" in html.replace("\\u0027", "'")


def test_a_name_that_is_not_utf8_has_an_address():
    text = page.index_html([{"name": NOT_UTF8}], title=NOT_UTF8, facts={NOT_UTF8: NOT_UTF8})
    assert Tags(text).known["rows"][0][0]["address"] == "caf%E9%20%231"
    text.encode()


# In the browser.


@pytest.fixture
def few(browser, tmp_path):
    yield Page(browser, tmp_path, FEW)
    log = [entry["message"] for entry in browser.get_log("browser")]
    assert not [message for message in log if "ERR_FILE_NOT_FOUND" not in message]


def test_everything_known_is_shown(few):
    assert few.browser.title == few.one("h1").text == "A run"
    few.one("summary").click()
    assert few.one("#facts dl").text.splitlines() == [
        *("command", "dreamsound --lr=0.01,0.1"),
        *("device", "<b>cpu</b> & more"),
    ]
    assert "heard as" in [head.text for head in few.all("thead tr:first-child th")]
    assert few.numbers() == [0, 1, 2, 3, 4, 10]
    assert few.count() == "1 to 6 of 6 clips"
    assert few.column("lr") == ["9", "10", "0.1", "", "1e-9", "0.012346"]
    assert few.column("p_target") == ["-0.5", "-3", "", "", "", ""]
    assert few.column("ok") == ["false", "true", "true", "", "", ""]
    assert few.column("seed")[1] == str(2**60 + 1)
    assert few.column("clip")[0].splitlines()[0] == "00000-noise"
    links = [link.get_attribute("href") for link in few.all("tbody tr:first-child a")]
    files = [f"00000-noise.{kind}" for kind in ("png", "wav", "json", "npz")]
    assert [link.rsplit("/", 1)[1] for link in links] == files
    # There are no files beside this page; one clip failed, and one has no picture.
    few.wait("return lost === 4")
    assert few.said() == {
        "failed": "A clip failed; its row says why.",
        "pictures": "4 pictures are not in the folder of this page. Move or copy the folder as a "
        "whole.",
    }


@pytest.mark.parametrize(
    ("column", "upwards", "downwards"),
    [
        ("lr", [4, 10, 2, 0, 1, 3], [1, 0, 2, 10, 4, 3]),
        ("p_target", [1, 0, 2, 3, 4, 10], [0, 1, 10, 4, 3, 2]),
        ("heard_as", [0, 1, 10, 4, 2, 3], [2, 4, 10, 1, 0, 3]),
        ("ok", [0, 1, 2, 3, 4, 10], [2, 1, 0, 10, 4, 3]),
        ("clip", [10, 0, 1, 2, 3, 4], [4, 3, 2, 1, 0, 10]),
    ],
)
def test_columns_sort_numbers_as_numbers_and_missing_values_last(few, column, upwards, downwards):
    few.sort(column)
    assert few.numbers() == upwards
    few.sort(column)
    assert few.numbers() == downwards
    assert few.one("[aria-sort]").get_attribute("aria-sort") == "descending"


FILTERS = [
    ("lr", ">=0.1", [0, 1, 2]),
    ("lr", ">0.1 <10", [0]),
    ("lr", "> 0.1 <= 10", [0, 1]),
    ("lr", "<0.1", [4, 10]),
    ("lr", "0.1", [2]),
    ("lr", "=0.012346", [10]),  # As it is shown.
    ("lr", ">", [0, 1, 2, 4, 10]),  # Still being typed.
    ("lr", ">=x", []),
    ("p_target", "<=-0.5", [0, 1]),
    ("heard_as", "ORGAN", [0, 1, 10]),
    ("input", "</script ><!--", [10]),
    ("clip", "failed: cannot", [3]),
]


def test_columns_filter_by_text_and_by_number(few):
    for column, text, numbers in FILTERS:
        assert few.filter(column, text) == numbers, (column, text)
        assert few.filter(column, "") == [0, 1, 2, 3, 4, 10]
    few.filter("heard_as", "organ")
    assert few.filter("lr", ">=10") == [1]
    assert few.count() == "1 to 1 of 1 clip (6 in all)"
    few.search("nowhere")
    assert few.one("tbody").text == "No clip matches."


def test_the_search_looks_in_all_columns(few):
    for text, numbers in [
        ("noise organ", [0, 1]),
        ('"amen break"', [2]),
        ("such & such", [3]),
        ("<img src=x", [10]),
        ("noise !organ", [2, 3, 4]),
    ]:
        assert few.search(text) == numbers, text


def test_failed_clips_give_their_reason_and_can_be_shown_alone(few):
    (failed,) = few.all("tbody .failed")
    assert failed.find_element("css selector", ".reason").text == f"failed: {FEW[3]['error']}"
    assert not failed.find_elements("css selector", "a, img, button.play")
    colours = [row.value_of_css_property("background-color") for row in few.all("tbody tr")]
    assert colours.count(failed.value_of_css_property("background-color")) == 1
    few.one("#only-failed input").click()
    assert few.numbers() == [3]
    few.one("#only-failed input").click()
    assert few.numbers() == [0, 1, 2, 3, 4, 10]


def test_hostile_texts_are_shown_as_they_are(few):
    few.search("img")
    few.filter("input", "img")
    few.sort("input")
    assert few.column("input") == [HOSTILE]
    assert few.column("clip")[0].splitlines()[0] == HOSTILE_NAME
    broken = "const image = new Image(); image.onerror = () => arguments[0](1); image.src = 'x'"
    assert few.browser.execute_async_script(broken) == 1  # Other broken images were reported.
    assert few.browser.title == "A run"
    assert not few.all("img[src=x]")


def test_a_page_without_clips_opens(browser, tmp_path):
    empty = Page(browser, tmp_path, [])
    assert empty.count() == "No clips"
    assert empty.one("tbody").text == "This run has no clips."
    assert not empty.one("#only-failed").is_displayed()
    empty.press("j", "k")
    assert not browser.get_log("browser")


def test_a_missing_sound_is_reported(few):
    few.one("tbody button.play").click()
    few.wait("return caption.textContent.includes('cannot')")
    assert few.one("#caption").text == "00000-noise.wav cannot be played."


def test_a_page_is_small():
    assert len(page.index_html(FEW, title="", facts={})) < 200_000
