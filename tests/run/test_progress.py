"""How far a run is, on a terminal and in a log."""

import io
import logging
import re
import sys
import time

import pytest

from dreamsound_jax.run import progress as progress_module
from dreamsound_jax.run.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_it_says_how_far_a_run_is_and_how_long_it_takes_by_what_was_done_here(clock):
    with Progress(10, 2, shown=False) as progress:
        assert progress.describe() == "2 of 10 clips are dreamed"
        progress.begin(4)
        clock[0] += 500  # Compiling does not count.
        progress.report(0, "level 1 of 3", until=0.5)
        clock[0] += 30
        assert progress.describe() == "level 1 of 3; 2 of 10 clips are dreamed"
        progress.report(0.5, "level 2 of 3", until=0.9)
        assert progress.describe() == (
            "level 2 of 3; 2 of 10 clips are dreamed (40%), about 90 s left"
        )
        # A batch that is tried again in parts is counted once.
        progress.begin(2)
        progress.report(0, "level 1 of 3", until=0.5)
        clock[0] += 30
        progress.end(2)
        assert progress.describe() == "4 of 10 clips are dreamed (40%), about 3 min left"
        progress.end(1)
        progress.begin(5)
        progress.end(5)
        assert progress.describe() == "10 of 10 clips are dreamed (100%), writing files"


def test_between_two_reports_it_goes_on_as_fast_as_before_to_the_end_of_the_piece(clock):
    def percentages(seconds):
        found = []
        for _ in range(seconds):
            clock[0] += 1
            found.append(int(re.search(r"\((\d+)%\)", progress.describe())[1]))
        return found

    with Progress(2, 0, shown=False) as progress:
        progress.begin(1)
        progress.report(0, "level 1 of 3", until=0.2)
        clock[0] += 2
        progress.report(0.2, "level 2 of 3", until=0.6)
        assert percentages(6) == [15, 20, 25, 30, 30, 30]
        # It is slower now, and goes on from where the last piece ended.
        progress.report(0.6, "level 3 of 3", until=1)
        assert percentages(3) == [33, 37, 40]
        progress.end(1)
        # Nothing is known of the next clip before it begins.
        progress.begin(1)
        assert percentages(2) == [50, 50]


def test_rounds_of_an_earlier_run_do_not_count_as_fast(clock):
    with Progress(1, 0, shown=False) as progress:
        progress.begin(1)
        progress.report(0.5, "round 6 of 10", until=0.6)
        assert progress.describe() == "round 6 of 10; 0 of 1 clips are dreamed"
        clock[0] += 10
        progress.report(0.6, "round 7 of 10", until=0.7)
        assert progress.describe().endswith("(60%), about 40 s left")


def test_a_terminal_has_a_bar_and_nothing_else_has(monkeypatch):
    for stream, shown, expected in (
        (Terminal(), True, r"dreaming  35%\|.*\| \[00:0\d, clip 1 of 2, round 8 of 10\]"),
        (Terminal(), False, "^$"),
        (io.StringIO(), True, "^$"),
        (None, True, "^$"),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        with Progress(2, 0, shown=shown) as progress:
            progress.begin(1)
            time.sleep(0.15)
            progress.report(0.7, "round 8 of 10", until=0.8)
            assert re.search(expected, stream.getvalue() if stream else "")


def test_on_a_terminal_the_bar_moves_and_its_clock_ticks_between_two_reports(monkeypatch):
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_BARS", 0.02)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress(1, 0) as progress:
        progress.begin(1)
        progress.report(0, "level 1 of 2", until=0.2)
        time.sleep(0.1)
        progress.report(0.2, "level 2 of 2", until=1)
        deadline = time.monotonic() + 20
        while "100%" not in sys.stderr.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    percentages = [int(each) for each in re.findall(r"(\d+)%", sys.stderr.getvalue())]
    assert percentages == sorted(percentages)
    assert len({each for each in percentages if 20 < each < 100}) >= 3


def test_without_a_terminal_a_line_is_logged_now_and_then(monkeypatch, caplog):
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    with Progress(2, 0) as progress:
        progress.begin(1)
        progress.report(0, "level 1 of 3", until=0.5)
        progress.report(0.5, "level 2 of 3", until=0.5)
        deadline = time.monotonic() + 20
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
    assert caplog.records[0].message.startswith("level 2 of 3; 0 of 2 clips are dreamed (25%)")
    count = len(caplog.records)
    time.sleep(0.1)
    assert len(caplog.records) <= count + 1


def test_no_time_is_told_by_a_first_piece_that_is_far_smaller_than_the_next(clock):
    with Progress(1, 0, shown=False) as progress:
        progress.begin(1)
        progress.report(0, "level 1 of 3", until=0.05)
        clock[0] += 50
        progress.report(0.05, "level 2 of 3", until=0.25)
        assert progress.describe() == "level 2 of 3; 0 of 1 clips are dreamed"
        clock[0] += 20
        progress.report(0.25, "level 3 of 3", until=1)
        assert progress.describe().endswith("(25%), about 75 s left")
