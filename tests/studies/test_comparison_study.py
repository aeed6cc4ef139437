"""Choosing learning rates, what is dreamed, and that a killed comparison goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming import batch, optimizers
from dreamsound_jax.networks import loading
from dreamsound_jax.system.errors import UserError
from studies.optimizers import choose, trace, variants
from studies.optimizers.journal import Journal
from studies.optimizers.tables import read_csv
from tests.dreaming.test_ouroboros import SHORT, network, pieces
from tests.helpers import tiny

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("moved", "lr", "beyond"),
    [
        ({0.01: 1.0, 0.04: 4.0}, 0.02, None),
        ({0.04: 4.0, 0.01: 2.0, 0.02: 2.0}, 0.01, None),
        ({0.01: 0.5, 0.02: 1.0}, 0.02, 0.02 * 2.6),
        ({0.01: 0.5, 0.02: 1.9}, 0.02, 0.04),
        ({0.01: 1e-9, 0.02: 0.0}, 0.01, 0.02 * choose.FURTHER),
        ({0.01: 8.0, 0.02: 16.0}, 0.01, 0.01 / 4 / 1.3),
        ({0.01: 4.0, 0.02: 1.0}, 0.01, None),
    ],
)
def test_a_learning_rate_that_moves_as_far_as_wanted(moved, lr, beyond):
    choice = choose.by_distance(moved, 2.0)
    assert choice.lr == pytest.approx(lr)
    assert choice.beyond == (beyond and pytest.approx(beyond, rel=0.35))
    if beyond:
        assert not min(moved) <= choice.beyond <= max(moved)


@pytest.mark.parametrize(
    ("gains", "lr", "beyond"),
    [
        ({0.01: 1.0, 0.02: 3.0, 0.04: 2.0}, 0.02, None),
        ({0.01: 1.0, 0.02: 2.0, 0.04: 3.0}, 0.04, 0.08),
        ({0.01: 3.0, 0.02: 2.0, 0.04: np.nan}, 0.01, 0.005),
        ({0.01: 3.0}, 0.01, None),
    ],
)
def test_a_learning_rate_that_gains_most(gains, lr, beyond):
    assert choose.by_gain(gains) == (lr, beyond and pytest.approx(beyond))


def test_variants_are_optimizers_with_flags_of_their_own():
    first, adam = variants.parse(["adam:b1=0.5:optimizer_state=carry:smooth_gradient=false"])
    assert first == ("sgd", {"optimizer": "sgd"})
    expected = {"optimizer": "adam", "b1": 0.5, "optimizer_state": "carry"}
    assert adam.changes == {**expected, "smooth_gradient": False}
    together, apart = variants.programs(variants.parse(["adam", "lbfgs", "adam:b1=0.5"]))
    assert variants.names_of(together) == ("sgd", "adam")
    assert variants.names_of(apart) == ("lbfgs",)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["adamm"], "did you mean adam"),
        (["adam:b3=1"], "choose from: momentum, b1"),
        (["adam:b1=x"], "b1=x"),
    ],
)
def test_what_cannot_be_compared_is_named(names, hint):
    with pytest.raises(UserError, match=hint):
        variants.parse(names)


def test_what_is_tuned_cannot_be_swept():
    with pytest.raises(UserError, match="--lrs"):
        variants.settings(tiny.options(sweep=[("lr", [0.1, 0.2])]))


def test_a_journal_survives_a_torn_line(tmp_path):
    path, key = tmp_path / "dreams.jsonl", ("a", 0.1, 3)
    Journal(path).add(key, [{"gain": 1 / 3, "lost": float("nan")}])
    with path.open("a") as file:
        file.write('[["b", 0.1')
    again = Journal(path)
    assert key in again and ("b", 0.1, 3) not in again
    assert again[key][0]["gain"] == 1 / 3
    again.add(("b", 0.1, 3), [])
    assert ("b", 0.1, 3) in Journal(path) and key in Journal(path)


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_a_dream_is_seen_at_its_own_scale_step_by_step(domain):
    """The last step is what the dream ended with; levels before it are seen on the whole clip."""
    given = tiny.options(domain=domain, pyramid_roll=0, **{**SHORT, "num_iterations": 3})
    model, names = loading.Model(tiny.CARD, network()), ("sgd", "adam")
    first, second = pieces()
    clips = [first, second._replace(changes={"optimizer": "adam", "lr": 0.2})]
    dreamed = trace.dream_batch(model, clips, given, optimizers=names, every_step=True)
    count = 1 + 3 * given.pyramid_size
    assert dreamed.steps.objective.shape == (2, count)
    np.testing.assert_allclose(dreamed.steps.moved_db[:, 0], 0, atol=1e-4)
    assert (dreamed.steps.moved_db[:, 1:] > 0.01).all()
    finished = batch.finish(dreamed.starts, dreamed.changed)
    before_db = tiny.CARD.destandardise(dreamed.starts.spectrogram)
    moved = jnp.sqrt(jnp.mean(jnp.square(finished.mel_db - before_db), axis=(1, 2)))
    np.testing.assert_allclose(dreamed.steps.moved_db[:, -1], moved, rtol=1e-4)
    heard = batch.hear(model, finished.mel_db)
    np.testing.assert_allclose(dreamed.steps.p_class[:, -1], heard, atol=1e-4)
    # Where nothing was rolled, the objective before a step is what it was after the one before it.
    np.testing.assert_allclose(
        dreamed.steps.objective[:, -3:-1], dreamed.climb.objective[:, -1, 1:], rtol=1e-4
    )
    ends = trace.dream_batch(model, clips, given, optimizers=names, every_step=False)
    np.testing.assert_array_equal(ends.steps.objective, dreamed.steps.objective[:, [0, -1]])


@pytest.mark.slow
def test_a_dream_that_goes_as_far_as_it_may_is_told():
    given, model = tiny.options(domain="mel", **SHORT), loading.Model(tiny.CARD, network())
    clips = [clip._replace(changes={"lr": lr}) for clip, lr in zip(pieces(), (0.1, 1e3))]
    dreamed = trace.dream_batch(model, clips, given, optimizers=("sgd",), every_step=False)
    assert dreamed.at_limit[0] < 0.1 < 0.9 < dreamed.at_limit[1]
    end = trace.finish(model, dreamed, clips, given)
    told = {"target": None, "every_step": False}
    rows = [trace.rows_of(dreamed, end, place, **told)[-1] for place in (0, 1)]
    assert [row["ended"] for row in rows] == ["", trace.BLOWN_UP]
    assert 0 < rows[0]["distance_db"] < rows[1]["distance_db"]


def test_a_dream_without_a_gradient_is_told():
    given = tiny.options(domain="mel", **SHORT)
    deaf = jax.tree.map(jnp.zeros_like, network()[1])
    model = loading.Model(tiny.CARD, (network()[0], deaf))
    dreamed = trace.dream_batch(model, pieces(), given, optimizers=("sgd",), every_step=False)
    end = trace.finish(model, dreamed, pieces(), given)
    (row,) = trace.rows_of(dreamed, end, 0, target=3, every_step=False)
    assert (row["ended"], row["gain"], row["step"]) == ("zero gradient", 0, 4)
    assert row["p_class"] == pytest.approx(1 / 6)


def command(tmp_path, name, *others):
    return [
        sys.executable,
        str(ROOT / "scripts" / "compare_optimizers.py"),
        f"--checkpoint={tmp_path / 'tiny'}",
        f"--output_dir={tmp_path / name}",
        "--optimizers=adam,sgd:standardise_gradient=false",
        f"--input=noise,{ROOT / 'tests' / 'data' / 'loop_amen.flac'}",
        "--layers_to_use=relu2_1",
        "--sweep=domain=mel,sound",
        "--lrs=0.01,0.04",
        *("--clip_length=9000", "--pyramid_size=2", "--num_iterations=2", "--target_class=class_1"),
        *(
            "--num_seeds=2",
            "--tuning_seeds=1",
            "--batch_size=4",
            "--real=" + str(ROOT / "tests/data"),
        ),
        *others,
    ]


@pytest.mark.slow
def test_a_comparison_from_the_command_line_killed_and_resumed(tmp_path):
    tiny.write_checkpoint(tmp_path / "tiny")
    page, board = tmp_path / "docs" / "page.md", tmp_path / "board"
    whole = subprocess.run(
        command(tmp_path, "whole", f"--page={page}", f"--tensorboard={board}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "whole"
    rows = read_csv((folder / "results.csv").read_text())
    tests = [row for row in rows if row["phase"] == "test"]
    assert len(tests) == 2 * 3 * 2 * 2 * 5  # settings, optimizers, seeds, inputs, steps with 0
    assert {row["seed"] for row in tests} == {1, 2}
    assert {row["seed"] for row in rows if row["phase"] == "tuning"} == {0}
    assert all(row["evaluations"] <= 4 for row in tests)
    assert {row["evaluations"] for row in tests if row["step"] == 4} >= {4}
    assert all(np.isfinite(row["objective"]) for row in tests)
    for name in ("trade", "climb", "sensitivity"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    html = (folder / "index.html").read_text()
    assert "adam" in html and "<audio" in html
    assert len(list(board.rglob("events.*"))) == 2 * (3 + 1)
    costs = json.loads((folder / "costs.json").read_text())
    assert {len(of) for of in costs.values()} == {3}
    first = costs["domain=mel"]
    assert first["adam"]["state_bytes"] > first["sgd"]["state_bytes"]
    assert all(np.isfinite(of["frechet"]) for each in costs.values() for of in each.values())
    assert "adam" in page.read_text()

    running = subprocess.Popen(command(tmp_path, "parts"), stderr=subprocess.DEVNULL)
    journal = tmp_path / "parts" / "dreams.jsonl"
    while running.poll() is None and not (journal.exists() and journal.stat().st_size > 20_000):
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    resumed = subprocess.run(
        command(tmp_path, "parts"), capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    told = [(tmp_path / name / "results.csv").read_bytes() for name in ("whole", "parts")]
    assert told[0] == told[1]
    other = subprocess.run(
        command(tmp_path, "parts", "--num_seeds=3"), capture_output=True, text=True, check=False
    )
    assert (other.returncode, "already holds a run" in other.stderr) == (2, True)
    assert other.stderr.count("\n") == 1


def test_every_optimizer_has_a_variant_name():
    assert [each.name for each in variants.parse(list(optimizers.OPTIMIZERS))] == list(
        optimizers.OPTIMIZERS
    )
