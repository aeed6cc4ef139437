"""The benchmark's own parts, and its script through the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import convolution, inversion
from benchmarks.context import Context
from benchmarks.machine import Limits
from benchmarks.timing import interleaved, ratios
from tests.helpers import tiny

ROOT = Path(__file__).parents[2]
SMALL = ["--width=0.02", "--rounds=1", "--batch_sizes=1", "--layers=relu1_1"]
SMALL += ["--clip_length=12600", "--pyramid_size=1", "--num_iterations=1"]


def benchmark(*flags):
    command = [sys.executable, str(ROOT / "scripts/benchmark.py"), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=os.environ)


@pytest.mark.slow
def test_the_command_prints_and_records(tmp_path):
    json_path = tmp_path / "results.json"
    keep = ["--record", f"--folder={tmp_path}", f"--json={json_path}"]
    ran = benchmark("--parts=stages", *SMALL, *keep)
    assert ran.returncode == 0, ran.stderr
    assert "## stages: each stage of a dream" in ran.stdout
    written = json.loads(json_path.read_text())
    assert written == json.loads((tmp_path / "docs/benchmark.json").read_text())
    (found,) = written["stages"].values()
    assert found["command"].startswith("python scripts/benchmark.py --parts=stages")
    rows = found["tables"][0]["rows"]
    names = [row[0] for row in rows]
    for stage in ("analysis", "a step at 128 x 63, domain sound", "... of that, Griffin-Lim"):
        assert names.count(stage) == 1
    for _, _, (median, lowest, highest), *_ in rows:
        assert 0 < lowest <= median <= highest
    page = (tmp_path / "BENCHMARKS.md").read_text()
    assert "| class probabilities" in page and "GPU: not measured" in page


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--parts=stage", "did you mean stages?"),
        ("--batch_sizes=1,0", "accepted are whole numbers over 0"),
        ("--layers=relu9", "no layer 'relu9'"),
        ("--layers=", "without the flag, its default is taken"),
        ("--optimizer=adam", "not for a benchmark"),
    ],
)
def test_bad_input_is_one_line(flag, told):
    ran = benchmark(flag)
    assert ran.returncode == 2
    (line,) = ran.stderr.strip().splitlines()
    assert told in line


@pytest.fixture
def tiny_context(monkeypatch):
    monkeypatch.setattr(inversion, "BATCH_SIZES", (1, 3))
    options = tiny.options(clip_length=12600)
    return Context(options, Limits(1e11, 1e10), rounds=1)


def test_convolutions_are_those_up_to_the_first_layer(tiny_context):
    of = {"width": 1 / 16, "batch_sizes": (1,), "layers": ("relu1_2", "relu5_4")}
    table = convolution.measure(tiny_context._replace(**of))
    channels = [row[1] for row in table.rows]
    assert channels == ["1 to 4", "4 to 4"] * tiny_context.options.pyramid_size


def test_inversion_is_compared_in_speed_and_quality(tiny_context):
    pytest.importorskip("librosa")
    table = inversion.measure(tiny_context)
    assert [row[1:3] for row in table.rows[::3]] == [
        [s, n] for s in ("noise", "sine") for n in (1, 3)
    ]
    for row in table.rows:
        assert row[5].median == pytest.approx(row[4].median / row[3].median)
    errors = np.array([row[6:] for row in table.rows[::3]])
    assert (errors > 0).all() and (errors < 20).all()
    # Noise is found again by both, about as well.
    assert (np.abs(errors[:2, 0] - errors[:2, 1]) < 1).all()


def test_inversion_without_librosa(tiny_context, monkeypatch):
    monkeypatch.setattr(inversion.importlib.util, "find_spec", lambda name: None)
    table = inversion.measure(tiny_context)
    assert [row[4:6] for row in table.rows] == [[None, None]] * len(table.rows)
    assert table.rows[0][6] > 0 and table.rows[0][7] is None
    assert "pip install librosa" in table.notes[-1]


def test_ratios_are_of_each_round_by_itself():
    found = ratios({"slow": [4.0, 30.0, 8.0], "fast": [1.0, 10.0, 4.0]}, of="slow", to="fast")
    assert found == (3.0, 2.0, 4.0)


def test_things_take_turns_and_the_first_round_does_not_count():
    turns = []
    functions = {name: lambda name=name: turns.append(name) for name in "ab"}
    seconds = interleaved(functions, rounds=2)
    assert turns == list("ababab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}
