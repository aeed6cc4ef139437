"""Start times of whole commands, with checkouts whose command is a small program."""

import pytest

from benchmarks import start
from benchmarks.dreams import Context
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

# It notes how it was started, and leaves a compiled program in the cache.
COMMAND = """
import os, pathlib, sys, time
cache = pathlib.Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
kind = "help" if sys.argv[1:] == ["--help"] else "warm" if cache.exists() else "cold"
with open({log!r}, "a") as log:
    print({name!r}, kind, *sys.argv[1:], file=log)
cache.mkdir(exist_ok=True)
time.sleep({seconds} * (kind != "help"))
"""


def make_checkout(folder, name, *, log, seconds):
    package = folder / name / "dreamsound_jax"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    content = COMMAND.format(log=str(log), name=name, seconds=seconds)
    (package / "__main__.py").write_text(content)
    return folder / name


def test_starts_are_cold_then_warm_and_checkouts_take_turns(tmp_path):
    log = tmp_path / "log"
    own, other = (
        make_checkout(tmp_path, name, log=log, seconds=s) for name, s in (("a", 0), ("b", 0.2))
    )
    context = Context(tiny.options(), peak=1.0, rounds=2, against=str(other))
    table = start.measure(context, root=own)
    lines = [line.split() for line in log.read_text().splitlines()]
    turn = ["a cold", "a warm", "a help", "b cold", "b warm", "b help"]
    assert [" ".join(line[:2]) for line in lines] == 2 * turn
    assert lines[0][2:] == table.notes[1].removeprefix("Flags: ").removesuffix(".").split()
    assert "--clip_length=51200" in lines[0]
    assert [row[0] for row in table.rows] == list(start.STARTS.values())
    assert all(row[2].lowest >= 0.2 for row in table.rows[:2])


def test_the_ratio_is_the_other_checkout_over_this_one(tmp_path):
    roots = [make_checkout(tmp_path, name, log=tmp_path / "log", seconds=0) for name in "ab"]
    context = Context(tiny.options(), peak=1.0, rounds=1, against=str(roots[1]))
    for _, own, other, ratio in start.measure(context, root=roots[0]).rows:
        assert ratio.median == pytest.approx(other.median / own.median)
    table = start.measure(context._replace(against=None), root=roots[0])
    assert [len(row) for row in table.rows] == [len(table.columns)] * 3 == [2] * 3


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    context = Context(tiny.options(), peak=1.0, against=str(tmp_path))
    with pytest.raises(UserError, match="--against must be a checkout"):
        start.measure(context, root=tmp_path)
