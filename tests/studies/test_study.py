"""What is dreamed and measured, and the comparison as a command, killed and resumed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.cli import flags  # noqa: F401 (defines the flags that variants have)
from dreamsound_jax.dreaming import batch, optimizers
from dreamsound_jax.dreaming.dream import dream_clips
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.system.errors import UserError
from studies.optimizers import records, trace, variants
from studies.optimizers.journal import Journal
from studies.optimizers.steps import read_csv
from tests.helpers import tiny
from tests.helpers.rounds import SHORT, pieces

ROOT = Path(__file__).parents[2]


def test_variants_are_optimizers_with_flags_of_their_own():
    first, adam = variants.parse(["adam:b1=0.5:optimizer_state=carry:smooth_gradient=false"])
    assert first == ("sgd", {"optimizer": "sgd"})
    expected = {"optimizer": "adam", "b1": 0.5, "optimizer_state": "carry"}
    assert adam.changes == {**expected, "smooth_gradient": False}
    together, apart = variants.programs(variants.parse(["adam", "lbfgs", "adam:b1=0.5"]))
    assert variants.list_optimizers(together) == ("sgd", "adam")
    assert variants.list_optimizers(apart) == ("lbfgs",)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["adamm"], "did you mean adam"),
        (["adam:b3=1"], "choose from: momentum, b1"),
        (["adam:b1=x"], "--b1 must be a number, and is .x."),
    ],
)
def test_an_unknown_optimizer_or_flag_is_named(names, hint):
    with pytest.raises(UserError, match=hint):
        variants.parse(names)


def test_what_is_tuned_cannot_be_swept():
    with pytest.raises(UserError, match="--lrs"):
        variants.settings(tiny.options(sweep={"lr": (0.1, 0.2)}))


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


def test_each_point_of_a_sweep_is_a_setting_without_a_sweep():
    sweep = {"domain": ("mel", "sound"), "layers_to_use": (("relu1_1",), ("relu1_1", "relu2_1"))}
    settings = variants.settings(tiny.options(sweep=sweep))
    assert list(settings)[1:3] == [
        "domain=mel layers_to_use=relu1_1+relu2_1",
        "domain=sound layers_to_use=relu1_1",
    ]
    third = settings["domain=sound layers_to_use=relu1_1"]
    assert (third.domain, third.layers_to_use, third.sweep) == ("sound", ("relu1_1",), {})


# Most dreams here share a program with these.
OPTIMIZERS = ("sgd", "adam")


def read_pieces(*changes, **options):
    """Reads clips of one length, each dreamed with `options` and its own changes."""
    return [
        pieces(tiny.plan(**{**SHORT, "domain": "mel", **options, **own}))[place]
        for place, own in enumerate(changes)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_each_step_is_measured_at_the_original_scale(domain):
    """The last step is the end of the dream; earlier levels are measured on the whole clip."""
    others = ({}, {"optimizer": "adam", "lr": 0.2})
    clips = read_pieces(*others, domain=domain, pyramid_roll=0, num_iterations=3)
    model = tiny.tiny_model()
    dreamed = trace.dream_batch(model, clips, optimizers=OPTIMIZERS, every_step=True)
    count = 1 + 3 * clips[0].plan.pyramid_size
    assert dreamed.steps.objective.shape == (2, count)
    np.testing.assert_allclose(dreamed.steps.moved_db[:, 0], 0, atol=1e-4)
    assert (dreamed.steps.moved_db[:, 1:] > 0.01).all()
    rendered = batch.render_clips(dreamed.clips, dreamed.parameters)
    before_db = tiny.FRONT_END.destandardise(dreamed.clips.spectrogram)
    moved = jnp.sqrt(jnp.mean(jnp.square(rendered.mel_db - before_db), axis=(1, 2)))
    np.testing.assert_allclose(dreamed.steps.moved_db[:, -1], moved, rtol=1e-4)
    heard = batch.class_probabilities(model, rendered.mel_db)
    np.testing.assert_allclose(dreamed.steps.p_class[:, -1], heard, atol=1e-4)
    # Without rolls, the objective before a step is that after the previous step.
    np.testing.assert_allclose(
        dreamed.steps.objective[:, -3:-1], dreamed.climb.objective[:, -1, 1:], rtol=1e-4
    )
    ends = trace.dream_batch(model, clips, optimizers=OPTIMIZERS, every_step=False)
    np.testing.assert_array_equal(ends.steps.objective, dreamed.steps.objective[:, [0, -1]])


@pytest.mark.slow
def test_an_optimizer_dreams_the_same_in_a_program_of_several():
    """Each clip has its own optimizer and flags, whatever else the program contains."""
    model = tiny.tiny_model()
    adam = {"optimizer": "adam", "b1": 0.5, "smooth_gradient": False, "optimizer_state": "carry"}
    sources = read_pieces({}, adam)
    together = trace.dream_batch(model, sources, optimizers=OPTIMIZERS, every_step=False)
    clips, _ = place_clips(sources[1:])
    settings, program = place_settings(sources[1:]), sources[1].plan.program()
    alone, _ = dream_clips(model.network, clips, settings, program=program)
    np.testing.assert_allclose(together.parameters[1], alone[0], atol=1e-4)


@pytest.mark.slow
def test_a_dream_whose_cells_reach_their_limit_has_failed():
    model, clips = tiny.tiny_model(), read_pieces({"lr": 0.1}, {"lr": 1e3})
    dreamed = trace.dream_batch(model, clips, optimizers=OPTIMIZERS, every_step=False)
    assert dreamed.at_limit[0] < 0.1 < 0.9 < dreamed.at_limit[1]
    end = trace.finish(model, dreamed, clips)
    rows = [
        records.make_records(dreamed, end, place, target=None, every_step=False)[-1]
        for place in (0, 1)
    ]
    assert [row["ended"] for row in rows] == ["", records.BLOWN_UP]
    assert 0 < rows[0]["distance_db"] < rows[1]["distance_db"]


@pytest.mark.slow
def test_a_dream_without_a_gradient_has_failed():
    deaf = jax.tree.map(jnp.zeros_like, tiny.tiny_network())
    model, clips = Model(tiny.CARD, deaf), read_pieces({}, {})
    dreamed = trace.dream_batch(model, clips, optimizers=OPTIMIZERS, every_step=False)
    end = trace.finish(model, dreamed, clips)
    (row,) = records.make_records(dreamed, end, 0, target=3, every_step=False)
    assert (row["ended"], row["gain"], row["step"]) == ("zero gradient", 0, 4)
    assert row["p_class"] == pytest.approx(1 / 6)


def command(tmp_path, name, *others):
    """The command of a comparison in two settings, which share their programs."""
    data = ROOT / "tests" / "data"
    return [
        sys.executable,
        str(ROOT / "scripts" / "compare_optimizers.py"),
        f"--checkpoint={tmp_path / 'tiny'}",
        f"--output_dir={tmp_path / name}",
        f"--input=noise,{data / 'loop_amen.flac'}",
        f"--real={data}",
        "--optimizers=adam,sgd:standardise_gradient=false",
        "--layers_to_use=relu2_1",
        "--target_class=class_1",
        "--sweep=detail_factor=0,1",
        "--lrs=0.01,0.04",
        "--clip_length=9000",
        "--pyramid_size=2",
        "--num_iterations=2",
        "--num_seeds=2",
        "--tuning_seeds=1",
        "--batch_size=4",
        *others,
    ]


def run_command(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_comparison_from_the_command_line_killed_and_resumed(tmp_path):
    tiny.write_checkpoint(tmp_path / "tiny")
    page, folder = tmp_path / "docs" / "page.md", tmp_path / "whole"
    code, errors = run_command(tmp_path, "whole", f"--page={page}")
    assert code == 0, errors
    assert "no p-value of 2 inputs is below 0.05: --input must name at least 6" in errors
    table = read_csv((folder / "results.csv").read_text())
    tests = table[table["phase"] == "test"]
    assert len(tests) == 2 * 3 * 2 * 2 * 5  # Settings, optimizers, seeds, inputs, steps with 0.
    assert set(tests["seed"]) == {1, 2}
    assert set(table.loc[table["phase"] == "tuning", "seed"]) == {0}
    assert (tests["evaluations"] <= 4).all()
    assert (tests.loc[tests["step"] == 4, "evaluations"] >= 4).any()
    assert np.isfinite(tests["objective"]).all()
    for name in ("trade", "climb", "sensitivity"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    html, markdown = (folder / "index.html").read_text(), page.read_text()
    assert html.count("<audio") == 2 * 2 * (3 + 1)  # Settings, inputs, optimizers and the input.
    assert "adam" in html and "0/4" in html
    for name in ("adam", "Fréchet", "memory ×", "0/4"):
        assert name in markdown
    assert len(read_csv(page.with_suffix(".csv").read_text())) == 2 * 3 * 2 * 2

    running = subprocess.Popen(command(tmp_path, "parts"), stderr=subprocess.DEVNULL)
    journal = tmp_path / "parts" / "dreams.jsonl"
    while running.poll() is None and not (journal.exists() and journal.stat().st_size > 20_000):
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    code, errors = run_command(tmp_path, "parts")
    assert code == 0, errors
    results = [(tmp_path / name / "results.csv").read_bytes() for name in ("whole", "parts")]
    assert results[0] == results[1]
    code, errors = run_command(tmp_path, "parts", "--num_seeds=3")
    warning, error = errors.splitlines()
    assert code == 2 and "--num_seeds is given twice" in warning and "already holds a run" in error


def test_every_optimizer_has_a_variant_name():
    names = list(optimizers.OPTIMIZERS)
    assert [each.name for each in variants.parse(names)] == names
