"""The table of the steps of all dreams."""

import numpy as np
import pandas as pd

from studies.optimizers import steps
from tests.helpers.compared import make_comparison, make_record


def test_csv_keeps_types_values_and_odd_names_and_is_the_same_in_any_order():
    odd = [
        make_record('odd, "name"\n', np.nan, setting="ü", lr=1e-12, p_class=0.5, last=True),
        make_record("NA", -np.inf, input="null", setting="None"),
        make_record("1", np.float32(0.25), seed=np.int64(3), input="2"),
    ]
    table = pd.concat([make_comparison(seeds=1)[0], steps.make_table(odd)])
    text = steps.write_csv(table)
    back = steps.read_csv(text)
    assert steps.write_csv(back) == text
    pd.testing.assert_frame_equal(back, table.reset_index(drop=True), rtol=1e-8)
    records = table.sample(frac=1, random_state=0).to_dict("records")
    assert steps.write_csv(steps.make_table(records)) == steps.write_csv(steps.make_table(table))
    assert len(steps.read_csv(steps.write_csv(steps.make_table([])))) == 0


def test_what_a_record_does_not_say_is_empty():
    (line,) = steps.write_csv(steps.make_table([make_record(gain=0.25)])).splitlines()[1:]
    assert line == ",sgd,test,0.1,0,noise,0,0,0,1.25,0.25,2,3,,,,,"


def test_courses_keep_the_last_gain_of_a_dream_that_stopped():
    records = [make_record(gain=gain, step=step) for step, gain in enumerate((0, 2, np.nan))]
    records += [make_record(gain=gain, seed=1, step=step) for step, gain in enumerate((0.5, -1))]
    records[-1]["ended"] = "zero gradient"
    courses = steps.pivot_courses(steps.make_table(records))
    np.testing.assert_array_equal(courses, [[0, 2, 0], [0, -1, -1]])
