"""Commands that are killed at random moments end as if they had not been."""

import json

import pytest

from studies.kills.contents import list_differences, read_contents
from studies.kills.inputs import make_inputs
from studies.kills.trials import Trials

RECORDS = [{"number": 0, "name": "a", "files": {".wav": 4}}, {"number": 1, "name": "b"}]


def write_run(folder, *, records=RECORDS, torn="", seconds=1.0, date="2026-01-01"):
    (folder / "empty").mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"RIFF")
    (folder / "a.json").write_text(json.dumps({"seed": 1, "timings": {"dream": seconds}}))
    lines = [json.dumps(record) for record in records]
    (folder / "manifest-000.jsonl").write_text("\n".join([torn, *lines, ""]))
    (folder / "index.html").write_text(f"<p>{date}, 12.5 s</p>")
    return read_contents(folder)


def test_times_order_and_torn_lines_do_not_count(tmp_path):
    one = write_run(tmp_path / "one")
    torn = '{"number": 1, "na'
    other = write_run(
        tmp_path / "two", records=RECORDS[::-1], torn=torn, seconds=2.0, date="2026-11-27T10:00:00"
    )
    assert list_differences(one, other, numbers_vary=set()) == []


def test_what_is_missing_left_over_or_other_is_named(tmp_path):
    one, folder = write_run(tmp_path / "one"), tmp_path / "two"
    write_run(folder)
    (folder / "a.wav").write_bytes(b"RIFX")
    (folder / ".a.part").touch()
    (folder / "empty").rmdir()
    (folder / "index.html").write_text("<p>2026-01-01, 13.5 s</p>")
    found = read_contents(folder)
    expected = ["./.a.part is left over", "./a.wav differs", "./empty/ is missing"]
    assert list_differences(one, found, numbers_vary={"./index.html"}) == expected
    also = list_differences(one, found, numbers_vary=set())
    assert also == sorted([*expected, "./index.html differs"])


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["dreams", "ouroboros", "convert"])
def test_a_command_that_is_killed_twice_ends_as_one_that_is_not(phase, tmp_path):
    trials = Trials(phase, make_inputs(tmp_path / "inputs"), tmp_path)
    assert trials.varying == set()
    outcome = trials.run(0, kills=2)
    assert outcome.moments and outcome.faults == []
