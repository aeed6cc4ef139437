"""Training through the real command line, on a folder of small sounds."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.networks.card import read_entries
from tests.helpers.sounds import RATE, tone, white_noise

ROOT = Path(__file__).parents[2]
SMALL = ["--width=0.0625", "--hidden=16", "--windows=64x16", "--batch_size=16", "--held_out=0.2"]
SMALL += ["--save_every=4", "--learning_rate=0.003"]
LIMITED = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder of sounds, tones and noise, one of them broken; and the environment to train in."""
    root = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    for number in range(20):
        for name in ("tone", "noise"):
            (root / "sounds" / name).mkdir(parents=True, exist_ok=True)
            length = int(rng.integers(5000, 30000))
            sound = tone(frequency=rng.uniform(200, 2000), seconds=length / RATE)
            sound = sound if name == "tone" else 0.5 * white_noise(length, seed=number)
            soundfile.write(root / "sounds" / name / f"{number}.wav", sound, RATE)
    (root / "sounds/tone/broken.wav").write_bytes(b"RIFF no sound")
    return root, {**os.environ, "XDG_CACHE_HOME": str(root / "cache")}


def command(places, output, *flags, before=()):
    root, environment = places
    script = [
        *before,
        sys.executable,
        str(ROOT / "scripts/train_classifier.py"),
        "--dataset=folder",
    ]
    script += [f"--data_dir={root / 'sounds'}", f"--output={output}", *SMALL, *flags]
    options = {"env": environment, "text": True, "stderr": subprocess.PIPE, "cwd": root}
    return subprocess.Popen(script, **options)


def finish(process, code=0):
    _, said = process.communicate(timeout=280)
    assert process.returncode == code, said
    return said


def weights(folder):
    return ocp.load(folder / "weights")["linear1"]["kernel"]


@pytest.fixture(scope="module")
def trained(places):
    folder = places[0] / "whole"
    return folder, finish(command(places, folder, f"--tensorboard={places[0] / 'board'}"))


@pytest.mark.slow
def test_a_folder_of_sounds_becomes_a_checkpoint_that_dreams(places, trained, tmp_path):
    folder, said = trained
    assert re.search(r"skipped: .*broken.wav", said) and "1 of 41 sounds were skipped" in said
    assert "Traceback" not in said and "epoch 16: held_out" in said
    entries = read_entries(folder)
    assert entries["classes"] == ["noise", "tone"]
    assert entries["accuracy"]["held_out"] > 0.8
    assert set(entries["per_class"]) == {"noise", "tone"}
    assert -100 < entries["mean"] < 0 < entries["std"] < 60
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "README.md").read_text()
    assert "--dataset=folder" in page and str(places[0]) not in page
    assert not (folder.parent / ".whole.training").exists()
    dream = [sys.executable, "-m", "dreamsound_jax", f"--checkpoint={folder}"]
    dream += ["--target_class=tone", "--pyramid_size=1", f"--output_dir={tmp_path / 'dream'}"]
    subprocess.run(dream, check=True, env=places[1], capture_output=True)
    assert (tmp_path / "dream/00000-noise.wav").stat().st_size > 100_000


@pytest.mark.slow
def test_tensorboard_can_read_its_logs(places, trained):
    pytest.importorskip("tensorboardX", reason="writes them")
    (log,) = (places[0] / "board").iterdir()
    content = log.read_bytes()
    for name in (b"train/loss", b"train/right", b"held_out/accuracy"):
        assert name in content


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_weights(places, trained):
    folder = places[0] / "killed"
    process = command(places, folder)
    states = folder.parent / ".killed.training"
    while process.poll() is None and not (states / "8").exists():
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -9 and not folder.exists()
    said = finish(command(places, folder))
    assert re.search(r"going on from step \d+ of 32", said)
    np.testing.assert_array_equal(weights(folder), weights(trained[0]))


def test_a_full_disk_is_one_line_and_leaves_nothing(places):
    """The process may write no file of more than 100 kB."""
    before = set(places[0].iterdir())
    said = finish(command(places, places[0] / "full", before=LIMITED), code=2)
    last = said.strip().splitlines()[-1]
    assert last.startswith("train_classifier: cannot write the checkpoint ")
    assert "Traceback" not in said and set(places[0].iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param(
            ["--batch_size=64"], "32 clips do not fill one batch of 64", marks=pytest.mark.slow
        ),
        (["--windows=20"], "--windows=20: frames, 32 or more, x epochs"),
        (["--data_dir=nowhere"], "no folder 'nowhere'"),
        (["--dataset=urbansound8k"], "no file .*UrbanSound8K.csv"),
        (["--dataset=fma-small"], "no file .*tracks.csv"),
        (["--output=sounds"], "is there, and no checkpoint"),
        (["--tensorboard=sounds/tone/0.wav/x"], "cannot write TensorBoard's logs to sounds/tone"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(places, flags, words):
    said = finish(command(places, places[0] / "none", *flags), code=2).strip().splitlines()
    assert re.search(words, said[-1]) and said[-1].startswith("train_classifier: ")
    assert not [line for line in said if "Traceback" in line]
    assert not (places[0] / "none").exists()
