import pytest

from benchmarks import start
from benchmarks.context import Context
from tests.helpers.tiny import options, write_checkpoint

HEADS = ("cold", "warm")


def test_a_moment_is_for_what_was_begun_last_and_shares_sum_to_the_whole():
    spans = [("imports", 9.5, 11.0), ("dream", 12.0, 16.0), ("compile", 13.0, 14.0)]
    spans += [("files", 15.0, 18.0), ("picture", 17.0, 30.0)]  # of another thread, and past the end
    found = start.shares(spans, 10.0, 20.0)
    wanted = {"imports": 1, "dream": 2, "compile": 1, "files": 2, "picture": 3, start.REST: 1}
    assert found == pytest.approx(wanted)
    assert sum(found.values()) == pytest.approx(10)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    checkpoint = write_checkpoint(tmp_path_factory.mktemp("tiny"))
    flags = [f"--checkpoint={checkpoint}", "--layers_to_use=relu1_1", "--pyramid_size=2"]
    flags += ["--num_iterations=1", "--clip_length=12800", "--seed=1"]
    folder = tmp_path_factory.mktemp("start")
    return start.of_rows({each: [start.trace(flags, folder)] for each in HEADS}, levels=2)


@pytest.mark.slow
def test_every_second_of_a_start_has_a_row(table):
    for column in (1, 2):
        *parts, whole = [row[column] for row in table.rows]
        assert sum(parts) == pytest.approx(whole)
    # All that the product does was found by its name; warm, there may be next to nothing to it.
    assert all(cold > 0 for _, cold, _ in table.rows)
    assert {"compile: level 1", "compile: level 2"} < {name for name, *_ in table.rows}


@pytest.mark.slow
def test_a_warm_start_compiles_less(table):
    seconds = {name: (cold, warm) for name, cold, warm in table.rows}
    cold, warm = (sum(seconds[f"compile: level {k}"][place] for k in (1, 2)) for place in (0, 1))
    assert warm < cold


def test_whole_processes_are_timed_cold_and_warm_and_with_a_stopwatch(monkeypatch):
    monkeypatch.setattr(start, "_seconds", lambda module, flags, folder: float(len(module)))
    monkeypatch.setattr(start, "trace", lambda flags, folder: (2.0, {start.REST: 2.0}))
    whole, rows = start.measure(Context(options(), limits=None, rounds=2))
    assert [row[-1] for row in whole.rows] == [2] * 5
    assert rows.rows[-1] == ["all", 2.0, 2.0]
