import io
import sys

import numpy as np
import pytest
from PIL import Image

from studies.optimizers import plots
from tests.helpers.compared import SETTINGS, comparison, row

PICTURES = (plots.climb_picture, plots.trade_picture, plots.sensitivity_picture)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def has(image, colour):
    """How many pixels have a colour such as "#0072b2"."""
    return int((image == np.array(list(bytes.fromhex(colour[1:])))).all(axis=-1).sum())


@pytest.mark.parametrize("draw", PICTURES)
def test_pictures_have_a_line_for_each_without_pyplot(draw, monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    rows, costs = comparison(inputs=("noise",), settings=SETTINGS[:1])
    image = pixels(draw(rows, costs, baseline="sgd"))
    assert image.shape[1] == 1400
    assert all(has(image, colour) > 100 for colour in ("#000000", *plots._COLOURS[:4]))
    assert not has(image, plots._COLOURS[4]) and not has(image, plots._OTHER)
    assert not recwarn.list


def test_the_best_have_colours_in_all_pictures_and_the_rest_is_grey():
    strengths = {"sgd": 1.0} | {f"o{number:02}": 2 - number / 10 for number in range(12)}
    rows, costs = comparison(strengths=strengths, settings=("",), seeds=9)
    styles = plots._styles(rows, "sgd")
    assert next(iter(styles)) == "sgd" and styles["sgd"]["color"] == plots._INK
    assert {styles[f"o{number:02}"]["color"] for number in range(6)} <= set(plots._COLOURS)
    assert styles["o11"]["color"] == styles["o10"]["color"] == plots._OTHER
    assert sum(style["color"] == plots._OTHER for style in styles.values()) == 4
    assert has(pixels(plots.climb_picture(rows, costs, baseline="sgd")), plots._OTHER) > 100


def test_time_is_drawn_where_it_was_measured():
    rows, timed = comparison(strengths={"sgd": 1.0}, seeds=1)
    untimed = {setting: {"sgd": {"lr": of["sgd"]["lr"]}} for setting, of in timed.items()}
    shapes = [
        pixels(plots.climb_picture(rows, costs, baseline="sgd")).shape[0]
        for costs in (untimed, {**untimed, SETTINGS[0]: timed[SETTINGS[0]]}, timed)
    ]
    # Two panels in a tall row, three in a row, and four.
    assert shapes[0] > shapes[1] == shapes[2]


@pytest.mark.parametrize("draw", PICTURES)
def test_what_is_odd_is_still_drawn(draw, recwarn):
    odd = {"setting": "$a_{$ \\b", "gain": np.nan, "moved_db": np.nan, "last": True}
    names = ("sgd", "$x_1$", "_y")
    rows = [row(name, ended="zero gradient", step=1, **odd) for name in names]
    costs = {odd["setting"]: {name: {"lr": 0.1, "seconds": 2.0} for name in names}}
    assert pixels(draw(rows, costs, baseline="sgd")).std() > 5
    assert not recwarn.list
