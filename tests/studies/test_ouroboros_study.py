"""The study of the ouroboros, without dreams."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from studies.ouroboros import changes, movement, page, runs
from tests.helpers.sounds import DATA, RATE

ROUNDS = 5


def make_courses():
    """Makes courses of which the second input of the run without --stabilise fares worst."""
    courses = {}
    for flag, speed in (("--stabilise", 1.0), ("--nostabilise", 2.0)):
        courses[runs.Run("sound", "relu3_4", flag)] = {
            name: runs.Course(
                index=speed * place * np.arange(1.0, 1 + ROUNDS),
                moved=np.full(ROUNDS, 3.0 / place),
                silent=np.linspace(0, 0.1 * speed * place, 1 + ROUNDS),
                high=np.linspace(0.2, 0.2 - 0.1 * place, 1 + ROUNDS),
            )
            for place, name in ((1, "noise"), (2, "loop"))
        }
    return courses


@pytest.mark.slow
def test_every_spoiled_sound_has_a_higher_index_than_its_harmless_changes():
    measured = changes.measure_changes([str(DATA / "misc_crow.flac"), str(DATA / "loop_amen.flac")])
    assert len(measured) == 2 * 10
    assert (changes.measure_margins(measured) > 0).all()
    lines = page.format_changes(measured).splitlines()
    assert lines[2].startswith("| harmless | rotated by half its length | ")
    assert lines[11].startswith("| spoiled | quantised to 4 levels | ")


def test_tables_have_the_worst_input_and_the_rounds_that_exist():
    courses = make_courses()
    worst = page.format_worst(courses).splitlines()
    assert worst[-1] == "| sound | relu3_4 | `--nostabilise` | 5.00 | 1.50 | 40% | -10% |"
    each = page.format_each(courses).splitlines()
    assert each[2].count("round") == 3  # Rounds 1, 2 and 5 are shown.
    assert each[-1] == "| sound | relu3_4 | `--nostabilise` | loop | 4.0 | 8.0 | 20.0 |"
    assert page.draw_index(courses, "relu3_4").startswith(b"\x89PNG")


def test_a_course_is_measured_on_the_sounds_that_were_written(tmp_path):
    hiss = np.random.default_rng(0).normal(0, 0.1, RATE)
    clips = [hiss, hiss, np.where(np.arange(RATE) < RATE // 2, hiss, 0)]
    rounds = [{"overcooked_db": 1.0, "moved_db": 3.0}, {"overcooked_db": 2.0, "moved_db": 4.0}]
    path = tmp_path / "00000-hiss.json"
    path.write_text(json.dumps({"rounds": rounds}))
    soundfile.write(path.with_suffix(".wav"), np.concatenate(clips), RATE)
    course = runs.measure_course(path)
    assert course.index.tolist() == [1, 2] and course.moved.tolist() == [3, 4]
    assert course.silent[1] == 0 and 0.4 < course.silent[2] < 0.6
    assert course.high.shape == (3,) and (course.high > 0.3).all()


def measure(spectrograms, moved_db):
    made = SimpleNamespace(
        spectrograms_db=np.stack(spectrograms),
        moved_db=np.array(moved_db),
        overcooked_db=np.linspace(4, 6, len(moved_db)),
    )
    return movement.measure_movement(made, lambda shown: shown.mean((1, 2)))


def test_a_roll_and_a_return_are_no_new_events():
    first, other, third = np.random.default_rng(0).normal(5, 3, (3, 12, 20))
    rolls = [np.roll(first, frames, axis=1) for frames in range(7)]
    rolled = measure(rolls, [4.0] * 6)
    assert rolled.rolled_db == 0 and rolled.nearest_db > 2
    to_and_fro = measure([first, other] * 4, [4.0] * 7)
    assert to_and_fro.nearest_db == 0 and to_and_fro.rolled_db > 2
    new = measure([first, other, third], [4.0, 2.0])
    np.testing.assert_allclose(new.index, [1, 1.5])
    np.testing.assert_allclose(new.response, [other.mean(), third.mean()] / first.mean())


def test_the_table_of_movement_has_the_rounds_that_exist():
    smooth = np.repeat(np.random.default_rng(0).normal(size=(12, 20)), 2, axis=1)
    course = measure(
        [smooth, *np.random.default_rng(1).normal(size=(6, 12, 40))], [9, 5, 4, 3, 2, 3]
    )
    lines = movement.format_movement({("mel", "noise"): course}).splitlines()
    assert lines[0].count("change in round") == 1 and lines[4].count("response in round") == 1
    assert lines[2].startswith("| mel | noise | 9.0 | 2.0 | ")
    assert lines[6].startswith(f"| mel | noise | {course.rolled_db:.1f} | ")
    assert course.smoothness[0] > 0.3 > abs(course.smoothness[2])
