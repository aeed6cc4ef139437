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
        clock[0] += 30
        progress.report(0.5, "level 2 of 3")
        assert progress.describe() == (
            "level 2 of 3; 2 of 10 clips are dreamed (40%), about 90 s left"
        )
        # A batch that is tried again in parts is counted once.
        progress.begin(2)
        clock[0] += 30
        progress.end(2)
        assert progress.describe() == "4 of 10 clips are dreamed (40%), about 3 min left"
        progress.end(1)
        progress.begin(5)
        progress.end(5)
        assert progress.describe() == "10 of 10 clips are dreamed (100%), about 0 s left"


def test_a_terminal_has_a_bar_and_nothing_else_has(monkeypatch):
    for stream, shown, expected in (
        (Terminal(), True, r"dreaming  35%\|.*\| \[.*, clip 1 of 2, round 7 of 10\]"),
        (Terminal(), False, "^$"),
        (io.StringIO(), True, "^$"),
        (None, True, "^$"),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        with Progress(2, 0, shown=shown) as progress:
            progress.begin(1)
            time.sleep(0.15)
            progress.report(0.7, "round 7 of 10")
            assert re.search(expected, stream.getvalue() if stream else "")


def test_without_a_terminal_a_line_is_logged_now_and_then(monkeypatch, caplog):
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    with Progress(2, 0) as progress:
        progress.begin(1)
        progress.report(0.5, "level 2 of 3")
        deadline = time.monotonic() + 20
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
    assert caplog.records[0].message.startswith("level 2 of 3; 0 of 2 clips are dreamed (25%)")
    count = len(caplog.records)
    time.sleep(0.1)
    assert len(caplog.records) <= count + 1
