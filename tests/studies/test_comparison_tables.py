import math

import numpy as np
import pytest

from studies.optimizers import statistics, tables
from tests.helpers.compared import comparison, row


def summary(**known):
    interval = statistics.Interval(1.0, 0.5, 1.5)
    told = dict.fromkeys(statistics.Summary._fields) | {"setting": "", "optimizer": "sgd"}
    told |= {"dreams": 3, "failed": 0, "gain": interval, "times": interval, "moved_db": 2.0}
    return statistics.Summary(**told | known)


def test_csv_gives_the_rows_back_and_the_same_bytes_in_whatever_order_they_come():
    rows, _ = comparison(seeds=1)
    rows.append(row('odd, "name"\n', math.nan, setting="ü", lr=1e-12, p_class=0.5, last=True))
    text = tables.write_csv(rows)
    back = tables.read_csv(text)
    assert tables.write_csv(back) == text
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    assert tables.write_csv(shuffled) == text
    rows.sort(key=lambda row: [row[name] for name in tables._PLACE])
    for given, found in zip(rows, back, strict=True):
        assert list(found) == list(tables.COLUMNS) and sorted(found) == sorted(given)
        for name, value in given.items():
            if isinstance(value, float):
                np.testing.assert_allclose(found[name], value, rtol=1e-8)
            else:
                assert found[name] == value and type(found[name]) is type(value), name


def test_csv_takes_numpys_numbers_and_needs_no_columns_that_are_not_known():
    short = row(np.float32(0.1), gain=np.float32(0.25), seed=np.int64(3))
    del short["p_written"]
    line = tables.write_csv([short]).splitlines()[1]
    assert line == ",0.1,test,0.1,3,noise,0,0,0,1.25,0.25,2,3,,,,,"
    assert tables.read_csv(tables.write_csv([])) == []


def test_markdown_puts_the_best_first_and_marks_baseline_and_winners():
    names = {"good": (2.0, 0.001), "doubtful": (3.0, 0.2), "worse": (0.5, 0.0001)}
    others = [
        summary(optimizer=name, times=statistics.Interval(times, 0, 9), p=p)
        for name, (times, p) in names.items()
    ]
    lost = summary(optimizer="lo|st", times=statistics.Interval(*[math.nan] * 3), p=1.0)
    lines = tables.markdown([lost, summary(), *others]).splitlines()
    firsts = [line.split(" | ")[0] for line in lines[2:]]
    assert firsts == ["| doubtful", "| **good**", "| *sgd*", "| worse", "| lo\\|st"]
    assert lines[3] == "| **good** | 1 (0.5 to 1.5) | 2 (0 to 9) | 0.001 | 2 | 0/3 |"
    assert "< 0.001" in lines[5] and "–" in lines[6]
    assert lines[0].count("|") == lines[1].count("|") == lines[3].count("|")


def test_markdown_has_a_table_a_setting_and_no_columns_of_which_nothing_is_known():
    rows, costs = comparison()
    found = statistics.overall(rows, costs, baseline="sgd")
    found += statistics.summarise(rows, costs, baseline="sgd")
    text = tables.markdown(found)
    heads = [line for line in text.splitlines() if line.startswith("### ")]
    assert heads == ["### all, domain=mel", *[f"### {setting}" for setting in costs]]
    first, second, _ = (part for part in text.split("### ") if part)
    assert "| gain" not in first and "| gain" in second and "Fréchet" in first
    assert "0.75 → –" in first  # a class without a written sound


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
    assert tables.number(value) == text
