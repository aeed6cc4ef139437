"""Tables in Markdown."""

import math

import pandas as pd
import pytest

from studies import report
from studies.optimizers import statistics, tables
from studies.optimizers.steps import make_table
from tests.helpers.compared import SETTINGS, make_comparison, make_costs, make_ends


def summarise_one(**changes):
    """Makes the summary of one optimizer, with some columns changed."""
    table = make_table(make_ends([1.0] * 6))
    found = statistics.summarise(table, make_costs(["sgd"]), baseline="sgd")
    other = {"is_baseline": False, "p": 1.0} if changes else {}
    return found.assign(**{"ratio_low": 0.0, "ratio_high": 9.0} | other | changes)


def test_markdown_puts_the_best_first_and_marks_baseline_and_winners():
    names = {"good": (2.0, 0.001), "doubtful": (3.0, 0.2), "worse": (0.5, 0.0001)}
    others = [
        summarise_one(optimizer=name, ratio=ratio, p=p, wins=p < 0.05 and ratio > 1)
        for name, (ratio, p) in names.items()
    ]
    lost = summarise_one(optimizer="lo|st", ratio=math.nan, ratio_low=math.nan)
    summary = pd.concat([lost, summarise_one(), *others])
    lines = tables.format_markdown(summary).splitlines()
    firsts = [line.split(" | ")[0] for line in lines[2:]]
    assert firsts == ["| doubtful", "| **good**", "| *sgd*", "| worse", "| lo\\|st"]
    good = "| **good** | 0.1 | 1 (1 to 1) | 2 (0 to 9) | 0.001 | 2 | 5 | 3 → 4 | 1 | 1 | 0/6 | 6 |"
    assert lines[3] == good
    assert "< 0.001" in lines[5] and "–" in lines[6]
    assert lines[0].count("|") == lines[1].count("|") == lines[3].count("|")


def test_markdown_has_a_table_for_each_setting_without_columns_that_are_unknown():
    table, costs = make_comparison()
    overall = statistics.summarise(table, costs, baseline="sgd", over_settings=True)
    each = statistics.summarise(table, costs, baseline="sgd")
    text = tables.format_markdown(pd.concat([overall, each]))
    heads = [line for line in text.splitlines() if line.startswith("### ")]
    assert heads == ["### all, domain=mel", *[f"### {setting}" for setting in SETTINGS]]
    first, second, _ = (part for part in text.split("### ") if part)
    assert "| gain" not in first and "| gain" in second and "Fréchet" in first
    assert "0.75 → –" in first  # The probability of the class is unknown of the written sounds.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.1, "0.1"),
        (1.2345, "1.23"),
        (-12.345, "−12.3"),
        (1234.5, "1234"),
        (1234567.0, "1.23e6"),
        (1.5e-7, "1.5e−7"),
        (1e-12, "1e−12"),
        (math.inf, "inf"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_are_short(value, text):
    assert report.format_number(value) == text


def test_a_page_keeps_its_head_and_nothing_below_the_mark(tmp_path):
    path = tmp_path / "docs" / "page.md"
    report.write_page(path, "<!-- mark -->", ["first"], title="Title")
    assert path.read_text() == "# Title\n\n<!-- mark -->\n\nfirst\n"
    path.write_text("Written by a person.\n\n" + path.read_text())
    report.write_page(path, "<!-- mark -->", ["second"], title="Other")
    expected = "Written by a person.\n\n# Title\n\n<!-- mark -->\n\nsecond\n"
    assert path.read_text() == expected
