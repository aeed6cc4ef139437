"""The plots of the study of optimizers."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from studies.optimizers import plots
from studies.optimizers.steps import make_table
from tests.helpers.compared import SETTINGS, make_comparison, make_costs, make_record

PICTURES = (plots.draw_climb, plots.draw_trade, plots.draw_sensitivity)


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def count_pixels(image, colour):
    """Counts the pixels that have a colour such as "#0072b2"."""
    return int((image == np.array(list(bytes.fromhex(colour[1:])))).all(axis=-1).sum())


@pytest.mark.parametrize("draw", PICTURES)
def test_pictures_have_a_line_for_each_optimizer_without_pyplot(draw, monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # Importing it fails now.
    table, costs = make_comparison(settings=SETTINGS[:1], seeds=1)
    image = decode(draw(table, costs, baseline="sgd"))
    assert image.shape[1] == 1400
    assert all(count_pixels(image, colour) > 100 for colour in ("#000000", *plots._COLOURS[:4]))
    assert not count_pixels(image, plots._COLOURS[4]) and not count_pixels(image, plots._OTHER)
    assert not recwarn.list


def test_the_best_optimizers_have_colours_and_the_others_are_grey():
    strengths = {"sgd": 1.0} | {f"o{number:02}": 2 - number / 10 for number in range(12)}
    table, costs = make_comparison(strengths=strengths, settings=("",))
    styles = plots._choose_styles(table, "sgd")
    assert next(iter(styles)) == "sgd" and styles["sgd"]["color"] == plots._INK
    assert {styles[f"o{number:02}"]["color"] for number in range(6)} <= set(plots._COLOURS)
    assert styles["o11"]["color"] == styles["o10"]["color"] == plots._OTHER
    assert sum(style["color"] == plots._OTHER for style in styles.values()) == 4
    assert count_pixels(decode(plots.draw_climb(table, costs, baseline="sgd")), plots._OTHER) > 100


def test_time_is_drawn_where_it_was_measured():
    table, timed = make_comparison(strengths={"sgd": 1.0}, seeds=1)
    partly = timed.assign(seconds=timed["seconds"].where(timed["setting"] == SETTINGS[0]))
    heights = [
        decode(plots.draw_climb(table, costs, baseline="sgd")).shape[0]
        for costs in (timed.drop(columns="seconds"), partly, timed)
    ]
    # There are two panels in a tall row, three in a row, and four in a row.
    assert heights[0] > heights[1] == heights[2]


@pytest.mark.parametrize("draw", PICTURES)
def test_odd_values_and_names_are_drawn_without_a_warning(draw, recwarn):
    odd = {"setting": "$a_{$ \\b", "gain": np.nan, "moved_db": np.nan, "ended": "zero gradient"}
    names = ("sgd", "$x_1$", "_y")
    phases = ("tuning", "test")
    table = make_table(
        make_record(name, last=True, step=1, phase=phase, **odd)
        for name in names
        for phase in phases
    )
    costs = make_costs(names, [odd["setting"]])
    assert decode(draw(table, costs, baseline="sgd")).std() > 5
    assert not recwarn.list
