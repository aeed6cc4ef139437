"""The command scripts/train_classifier.py, run as a process on a folder of small sounds."""

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
from dreamsound_jax.spectral.front_end_constants import format_front_end
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.class_folders import find_class_folders
from dreamsound_jax.training.pipeline import RunStorage, train_checkpoint
from dreamsound_jax.training.recipe import Recipe
from tests.helpers.sounds import RATE, tone, white_noise

SCRIPT = [sys.executable, str(Path(__file__).parents[2] / "scripts/train_classifier.py")]
FLAGS = ["--width=0.0625", "--hidden=16", "--windows=64x16", "--batch_size=16", "--held_out=0.2"]
FLAGS += ["--save_every=4", "--learning_rate=0.003"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of 20 tones and 20 noises, and a broken file."""
    folder = tmp_path_factory.mktemp("training") / "sounds"
    rng = np.random.default_rng(0)
    for number in range(20):
        for name in ("tone", "noise"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            length = int(rng.integers(5000, 30000))
            sound = tone(frequency=rng.uniform(200, 2000), seconds=length / RATE)
            sound = sound if name == "tone" else 0.5 * white_noise(length, seed=number)
            soundfile.write(folder / name / f"{number}.wav", sound, RATE)
    (folder / "tone/broken.wav").write_bytes(b"RIFF no sound")
    return folder


def list_places(sounds, output):
    """Lists the flags that say where things are, and where they go."""
    cache = f"--cache={sounds.parent / 'cache'}"
    return ["--dataset=folder", f"--data_dir={sounds}", f"--output={output}", cache]


def start(sounds, output, *flags, limit=()):
    command = [*limit, *SCRIPT, *list_places(sounds, output), *FLAGS, *flags]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, cwd=sounds.parent)


def finish(process, code=0):
    _, stderr = process.communicate(timeout=400)
    assert process.returncode == code, stderr
    return stderr


def load_kernel(folder):
    return ocp.load(folder / "weights")["linear1"]["kernel"]


@pytest.fixture(scope="module")
def trained(sounds):
    """The folder of a trained checkpoint, and what the command printed."""
    folder = sounds.parent / "whole"
    return folder, finish(start(sounds, folder, f"--tensorboard={sounds.parent / 'board'}"))


@pytest.mark.slow
def test_a_folder_of_sounds_becomes_a_checkpoint(sounds, trained):
    folder, stderr = trained
    assert re.search(r"skipped: .*broken.wav", stderr) and "1 of 41 sounds were skipped" in stderr
    assert "Traceback" not in stderr and "epoch 16: accuracy on held_out" in stderr
    assert f"--checkpoint={folder}" in stderr
    entries = read_entries(folder)
    assert entries["classes"] == ["noise", "tone"]
    assert entries["accuracy"]["held_out"] > 0.8
    assert set(entries["per_class"]) == {"noise", "tone"}
    assert -100 < entries["mean"] < 0 < entries["std"] < 60
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "README.md").read_text()
    assert "--dataset=folder" in page and str(sounds.parent) not in page
    assert not (folder.parent / ".whole.training").exists()


@pytest.mark.slow
def test_the_checkpoint_dreams(trained, tmp_path):
    dream = [sys.executable, "-m", "dreamsound_jax", "noise", f"--checkpoint={trained[0]}"]
    dream += ["--target_class=tone", "--pyramid_size=1", f"--output_dir={tmp_path / 'dream'}"]
    subprocess.run(dream, check=True, capture_output=True)
    assert (tmp_path / "dream/00000-noise.wav").stat().st_size > 100_000


@pytest.mark.slow
def test_another_front_end_is_trained_with_and_dreams(sounds, tmp_path):
    folder, file = tmp_path / "at16k", tmp_path / "front_end.json"
    file.write_text('{"sr": 16000, "n_fft": 1024, "hop": 320, "n_mels": 64, "fmin": 50}')
    finish(start(sounds, folder, f"--front_end={file}"))
    entries = read_entries(folder)
    constants = {"sample_rate": 16000, "n_fft": 1024, "hop": 320, "n_mels": 64, "f_min": 50}
    assert entries["front_end"] == constants and entries["accuracy"]["held_out"] > 0.8
    page, text = (folder / "README.md").read_text(), format_front_end(constants)
    assert f"--front_end={text}" in page and f"Its front end: `{text}`." in page
    assert str(tmp_path) not in page
    dream = [sys.executable, "-m", "dreamsound_jax", "noise", f"--checkpoint={folder}"]
    dream += ["--target_class=tone", "--pyramid_size=1", "--num_iterations=3", "--noplots"]
    for domain in ("mel", "sound"):
        output = tmp_path / domain
        subprocess.run(
            [*dream, f"--domain={domain}", f"--output_dir={output}"],
            check=True,
            capture_output=True,
        )
        assert soundfile.info(output / "00000-noise.wav").frames > 20_000


@pytest.mark.slow
def test_training_is_continued_from_a_checkpoint(sounds, trained, tmp_path):
    """Steps that are too small to change anything leave the network as it was."""
    places = list_places(sounds, tmp_path / "again")
    flags = [f"--start_from={trained[0]}", "--learning_rate=1e-9", "--windows=64x1"]
    command = [*SCRIPT, *places, *FLAGS[3:], *flags]
    finish(subprocess.Popen(command, text=True, stderr=subprocess.PIPE, cwd=sounds.parent))
    before, after = (read_entries(folder) for folder in (trained[0], tmp_path / "again"))
    for name in ("mean", "std", "width", "hidden", "accuracy"):
        assert after[name] == before[name]
    kernel = load_kernel(trained[0])
    np.testing.assert_allclose(load_kernel(tmp_path / "again"), kernel, atol=1e-6)


@pytest.mark.slow
def test_tensorboard_logs_hold_loss_and_accuracy(sounds, trained):
    pytest.importorskip("tensorboardX", reason="it writes the logs")
    (log,) = (sounds.parent / "board").iterdir()
    content = log.read_bytes()
    for name in (b"train/loss", b"train/accuracy", b"held_out/accuracy"):
        assert name in content


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(sounds, trained):
    folder = sounds.parent / "killed"
    process = start(sounds, folder)
    states = folder.parent / ".killed.training"
    while process.poll() is None and not (states / "8").exists():
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -9 and not folder.exists()
    assert re.search(r"resuming from step \d+ of 32", finish(start(sounds, folder)))
    np.testing.assert_array_equal(load_kernel(folder), load_kernel(trained[0]))


def test_a_full_disk_is_one_line_and_leaves_nothing(sounds):
    """The process must not write files of more than 100 kB."""
    before = set(sounds.parent.iterdir())
    limit = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]
    stderr = finish(start(sounds, sounds.parent / "full", limit=limit), code=2)
    assert stderr.startswith("train_classifier: cannot write the checkpoint ")
    assert stderr.count("\n") == 1 and set(sounds.parent.iterdir()) == before


def test_a_bad_flag_is_one_line_and_exit_code_2(sounds):
    before = set(sounds.parent.iterdir())
    stderr = finish(start(sounds, sounds.parent / "none", "--windows=20"), code=2)
    warning, error = stderr.splitlines()
    assert warning.startswith("--windows is given twice, ")
    assert error.startswith("train_classifier: --windows must be a list")
    assert set(sounds.parent.iterdir()) == before


def test_a_public_data_set_needs_its_folder(tmp_path):
    command = [*SCRIPT, "--dataset=urbansound8k", f"--output={tmp_path / 'none'}"]
    stderr = finish(subprocess.Popen(command, text=True, stderr=subprocess.PIPE), code=2)
    assert stderr == (
        "train_classifier: --dataset=urbansound8k needs --data_dir, the folder of its sounds\n"
    )


# One process for all, because to import JAX takes longer than to check flags.
CHECK = """
import runpy, sys
from pathlib import Path
from absl.testing import flagsaver
from dreamsound_jax.cli import parsing
script, count, *words = sys.argv[1:]
sys.argv = [script]
sys.path.insert(0, str(Path(script).parent))
main = runpy.run_path(script)["main"]
common, flags = words[:-int(count)], words[-int(count):]
for flag in flags:
    with flagsaver.flagsaver():
        try:
            parsing.parse([script, *common, *flag.split()], module=script, usage="")
            main()
        except parsing.UserError as error:
            print(error)
"""


def test_a_bad_front_end_is_named_and_leaves_nothing(sounds):
    expected = {
        "--front_end=hop=0": "--front_end: hop must be a whole number above 0, got 0",
        "--front_end=n_mels=16": "n_mels must be at least 32, which this network's pooling",
        "--front_end=": "--front_end must be a list such as sample_rate=16000",
        "--start_from=gm --width=1": "--width must not be given with --start_from, whose own",
        "--start_from=mtt": "--start_from must be a VGG19, such as gm, and mtt is none",
        "--start_from=gm": "the classes of gm must be those of the data set, noise, tone, got",
        "--architecture=panns --channels=8,x": "--channels must be a list of whole numbers above 0",
    }
    before, places = set(sounds.parent.iterdir()), list_places(sounds, sounds.parent / "none")
    words = [SCRIPT[1], str(len(expected)), *places, *FLAGS[2:], *expected]
    command = [sys.executable, "-c", CHECK, *words]
    done = subprocess.run(command, text=True, capture_output=True, cwd=sounds.parent, timeout=400)
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), done.stderr
    for line, words in zip(lines, expected.values()):
        assert line.startswith(words)
    assert set(sounds.parent.iterdir()) == before


def test_the_output_is_checked_before_sounds_are_read(sounds, tmp_path):
    dataset = find_class_folders(sounds, held_out=0.2, seed=0)
    storage = RunStorage(output=sounds, cache=tmp_path / "cache")
    with pytest.raises(UserError, match="must be new, empty or a checkpoint"):
        train_checkpoint(
            dataset, Recipe(), storage, size={"width": 0.0625, "hidden": 16}, command=""
        )
    assert not list(tmp_path.iterdir())
