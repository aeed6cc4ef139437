"""The other parts in a tiny size, and the script through its real command line."""

import json
import os
import subprocess
import sys

import jax
import pytest

from benchmarks import convolution, inversion, iterate, networks, scaling, stages, terms
from benchmarks.start import ROOT

SMALL = ["--width=0.02", "--rounds=1", "--batch_sizes=1", "--layers=relu1_1"]
SMALL += ["--clip_length=6400", "--pyramid_size=1", "--num_iterations=1"]


@pytest.mark.slow
def test_every_stage_has_its_time(context):
    table = stages.measure(context)
    names = [row[0] for row in table.rows]
    assert names[:3] == [
        "a step at 128 x 32, domain sound",
        "a step at 128 x 32, domain mel",
        "analysis",
    ]
    assert len(set(names)) == len(names) == 7
    for _, size, spread, limit, share in table.rows:
        assert size == 1 and 0 < spread.lowest <= spread.median <= spread.highest
        assert limit == "not counted" or share == pytest.approx(limit / spread.median)
    assert sum(row[3] == "not counted" for row in table.rows) == 3


@pytest.mark.slow
def test_convolutions_are_those_up_to_the_first_layer_and_of_mtt(context, monkeypatch):
    monkeypatch.setattr(convolution, "BANDS", 32)
    monkeypatch.setattr(convolution, "PATCH", 32)
    small = context._replace(width=1 / 16, layers=("relu2_1", "relu5_4"))
    table = convolution.measure(small)
    shapes = [["128 x 32", "1 to 4"], ["128 x 32", "4 to 4"], ["64 x 16", "4 to 8"]]
    rows = {name: [row[1:] for row in table.rows if row[0] == name] for name in ("VGG19", "mtt")}
    assert [row[:2] for row in rows["VGG19"]] == shapes
    assert [row[3] for row in rows["VGG19"]] == ["by_product", "by_xla", "by_xla"]
    assert [row[1] for row in rows["mtt"]] == ["1 to 128", *["128 to 128"] * 4]
    for _, _, _, _, own, other, faster in rows["VGG19"] + rows["mtt"]:
        assert faster.median == pytest.approx(other.median / own.median)


@pytest.mark.slow
def test_inversion_is_compared_in_speed_and_quality(context):
    pytest.importorskip("librosa")
    table = inversion.measure(context, batch_sizes=(1, 2))
    assert [row[:2] for row in table.rows] == [[s, n] for s in ("noise", "sine") for n in (1, 2)]
    for sound, _, own, other, faster, error, error_of_librosa in table.rows:
        assert faster.median == pytest.approx(other.median / own.median)
        # From librosa 1.0 on, its error for a sine is near 30 dB.
        assert 0 < error < 20 and 0 < error_of_librosa < 40
        # Noise is inverted by both, about as well.
        assert sound != "noise" or abs(error - error_of_librosa) < 1


def test_inversion_without_librosa(context, monkeypatch):
    monkeypatch.setattr(inversion.importlib.util, "find_spec", lambda name: None)
    table = inversion.measure(context, batch_sizes=(1,))
    assert [row[3:5] + row[6:] for row in table.rows] == [[None] * 3] * 2
    assert "pip install librosa" in table.notes[-1]


@pytest.mark.slow
def test_terms_are_compared_with_their_layer(context):
    table = terms.measure(context, views=(2,))
    rows = {tuple(row[:2]): row[2:] for row in table.rows}
    assert rows["layer", 1][1] == 1 and len(rows) == 10
    assert all(milliseconds > 0 for milliseconds, _ in rows.values())


@pytest.mark.slow
def test_included_networks_are_compared_with_gm(context):
    table = networks.measure(context, included=("gm", "mtt"))
    assert [row[:2] for row in table.rows] == [
        *(["gm", layer] for layer in ("relu3_4", "relu5_4", "output")),
        *(["mtt", layer] for layer in ("relu3", "pool5", "output")),
    ]
    assert table.rows[1][3] == 1 and all(row[2] > 0 for row in table.rows)


@pytest.mark.slow
def test_layers_of_a_stage_share_a_program(context):
    table = iterate.measure(context, layers=("conv1_1", "relu1_1"))
    assert [row[1] for row in table.rows] == [1, 2]
    assert all(row[2] > 0 and row[3] > 0 for row in table.rows)


def test_programs_are_compiled_although_the_cache_has_them():
    hits = []
    jax.monitoring.register_event_listener(lambda event, **_: hits.append("cache_hits" in event))

    def compile_anew():
        hits.clear()
        jax.jit(lambda x: 3 * x + 1)(1.0)  # Each time it is another function.
        return any(hits)

    compile_anew()
    assert compile_anew()
    with iterate.without_compilation_cache():
        assert not compile_anew()
    assert compile_anew()


def test_growth_is_relative_to_size():
    assert scaling.measure_growth([1.0, 3.0, 6.0], [1, 2, 8]) == [None, 1.5, 0.5]
    assert scaling.measure_growth([None, None], [1, 2]) == [None, None]


@pytest.mark.slow
def test_a_size_has_its_time_and_its_memory(context):
    (table,) = scaling.measure(context, {"clips in a batch": (1,)})
    ((clips, seconds, growth, memory, growth_of_memory),) = table.rows
    assert clips == 1 and seconds > 0 and memory > 50
    assert growth is growth_of_memory is None


def run_script(*flags):
    command = [sys.executable, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=os.environ)


@pytest.mark.slow
def test_the_script_prints_and_records(tmp_path):
    script = str(ROOT / "scripts/benchmark.py")
    keep = ["--parts=convolution", "--record", f"--folder={tmp_path}"]
    ran = run_script(script, *keep, *SMALL)
    assert ran.returncode == 0, ran.stderr
    assert "## convolution: each convolution, against XLA's own" in ran.stdout
    (written,) = tmp_path.glob("outputs/benchmarks/*.json")
    (table,) = json.loads(written.read_text())["tables"]
    assert table["rows"][0][:4] == ["VGG19", "128 x 32", "1 to 1", 1]
    page = (tmp_path / "BENCHMARKS.md").read_text()
    assert "`python scripts/benchmark.py --parts=convolution --record" in page
    assert "| 128 x 32 |" in page and "| 128 x 32 |" in ran.stdout


# One process for all, because to import JAX takes longer than to check flags.
CHECK = """
import os, runpy, sys
from absl.testing import flagsaver
from dreamsound_jax.cli import parsing
script = sys.argv[1]
sys.path.insert(0, os.path.dirname(script))
check = runpy.run_path(script)["_check_flags"]
for flag in sys.argv[2:]:
    with flagsaver.flagsaver():
        try:
            parsing.parse([script, flag], module=script, usage="")
            print(check())
        except parsing.UserError as error:
            print(error)
"""


def test_bad_flags_are_one_line(tmp_path):
    expected = {
        "--parts=stage": "did you mean stages?",
        "--batch_sizes=1,0": "must be whole numbers greater than 0, and is '1,0'",
        "--batch_sizes=": "must be whole numbers greater than 0",
        "--layers=relu9": "no layer 'relu9'",
        "--layers=": "--layers must not be empty",
        f"--against={tmp_path}": "--against must be a checkout",
        "--optimizer=adam": "there is no flag --optimizer",
        "--rounds=0": "rounds=0",
    }
    ran = run_script("-c", CHECK, str(ROOT / "scripts/benchmark.py"), *expected)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected.values()):
        assert words in line
