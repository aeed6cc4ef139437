"""The command in scripts: what is on standard output, in which files, and how it is typed."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.helpers.clips import facts_of, files_of, records_of
from tests.helpers.commands import start

COMMAND = shlex.join([sys.executable, "-m", "dreamsound_jax"])
SOUND = 0.1 * np.sin(np.arange(6000))


@pytest.fixture
def flags(tiny_checkpoint):
    quick = ("--layer=relu2_2", "--octaves=1", "--steps", "2", "--no-plots", "--seed=3")
    return (f"--checkpoint={tiny_checkpoint}", *quick)


@pytest.fixture
def sounds(tmp_path):
    """Three files, of which the last is no sound."""
    for name in ("a.wav", "b c.wav"):
        soundfile.write(tmp_path / name, SOUND, 22050)
    (tmp_path / "broken.wav").write_text("no sound")
    return ["a.wav", "b c.wav", "broken.wav"]


def run(*words, cwd):
    """Runs the command: (exit code, standard output, standard error)."""
    process = start(*words, cwd=cwd)
    stdout, stderr = process.communicate(timeout=300)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout, stderr


@pytest.mark.slow
def test_a_loop_over_lines_writes_one_file_each_and_leaves_its_input_alone(flags, sounds, tmp_path):
    script = (
        f'while read -r sound; do {COMMAND} "$sound" {shlex.join(flags)} -q '
        '-o "dreams/${sound%.wav}.dream.wav"; done < list'
    )
    (tmp_path / "list").write_text("\n".join(sounds) + "\n")
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["dreams/a.dream.wav", "dreams/b c.dream.wav"]
    assert done.stderr.count("\n") == 1 and "broken.wav" in done.stderr
    assert done.returncode == 2
    assert sorted(os.listdir(tmp_path)) == sorted([*sounds, "dreams", "list"])
    assert sorted(os.listdir(tmp_path / "dreams")) == ["a.dream.wav", "b c.dream.wav"]
    dreamed, rate = soundfile.read(tmp_path / "dreams/a.dream.wav")
    assert (dreamed.shape, rate) == (SOUND.shape, 22050)
    # It is the sound that a folder would hold; a file that exists is replaced only if that is said.
    code, stdout, stderr = run("a.wav", *flags, "-o", "dreams/a.dream.wav", cwd=tmp_path)
    assert (code, stdout, stderr.count("\n")) == (2, "", 1) and "exists already" in stderr
    (tmp_path / "old.wav").write_text("old")
    code, stdout, stderr = run("a.wav", *flags, "-y", "-o", "old.wav", cwd=tmp_path)
    assert (code, stdout) == (0, "old.wav\n"), stderr
    assert "add --seed=3" in stderr and "index.html" not in stderr
    assert soundfile.info(tmp_path / "old.wav").frames == len(SOUND)


def test_names_paths_and_lines_of_json_of_a_run_that_is_given_twice(flags, sounds, tmp_path):
    words = (*sounds, *flags, "--sweep=lr=0.1,0.2", "--name={input}_{lr}", "-o", "dreams")
    code, stdout, stderr = run(*words, "--json", cwd=tmp_path)
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert (code, len(lines)) == (2, 6), stderr
    failed = [line for line in lines if line["error"]]
    assert [(line["input"], line["path"]) for line in failed] == [("broken.wav", None)] * 2
    done = {line["path"]: line for line in lines if not line["error"]}
    paths = [f"dreams/{name}_{lr}.wav" for name in ("a", "b c") for lr in ("0.1", "0.2")]
    assert sorted(done) == paths
    for path, line in done.items():
        facts = facts_of(tmp_path / path)
        assert (line["seed"], line["layers"], line["input"]) == (3, "relu2_2", facts["input"])
        assert line["loudness_lufs"] == facts["loudness_lufs"]
        heard = facts["class_probabilities"]["written_sound"]
        assert line["heard_after"] == max(heard, key=heard.get)
        assert line["distance_db"] > 0 and line["seconds"] > 0
    assert "a_0.1: the network hears" in stderr
    before = files_of(tmp_path / "dreams")
    # The run is resumed: what is done is said again, and only what failed is tried again.
    code, stdout, stderr = run(*words, cwd=tmp_path)
    assert (code, stdout.splitlines()) == (2, paths), stderr
    assert "the network hears" not in stderr and files_of(tmp_path / "dreams") == before
    others = [word for word in words if not word.startswith("--name")]
    code, stdout, stderr = run(*others, "--name={lr}", cwd=tmp_path)
    assert (code, stdout) == (2, "") and "already holds a run with --name {input}_{lr}" in stderr


def test_a_run_whose_output_nobody_reads_goes_on_to_its_end(flags, sounds, tmp_path):
    words = [sys.executable, "-m", "dreamsound_jax", sounds[0], *flags, "--num-clips=5"]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*words, "-o", "dreams"], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    os.close(reading)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr and "Broken pipe" not in stderr and "ignored" not in stderr
    assert sorted(record["number"] for record in records_of(tmp_path / "dreams")) == list(range(5))


VERSION = """
import atexit, sys
sys.argv = ["dreamsound", "--version"]
atexit.register(lambda: print([name for name in ("jax", "numpy") if name in sys.modules]))
from dreamsound_jax.cli.main import run_command
run_command()
"""


def test_the_version_is_said_without_a_start_of_jax():
    done = subprocess.run([sys.executable, "-c", VERSION], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    version, imported = done.stdout.splitlines()
    assert version.startswith("dreamsound ") and "(JAX 0." in version
    assert imported == "[]"


@pytest.mark.slow
def test_values_and_names_are_taken_as_they_are_typed_and_a_video_is_added(
    tiny_checkpoint, tmp_path
):
    words = ["noise", f"--checkpoint={tiny_checkpoint}", "--octaves=1", "--steps=2", "--no-plots"]
    words += ["--interpolate=Relu2_2 > Class_1", "--format=.FLAC", "--bits=24bit", "-o", "out"]
    words += ["--preset=Towards-Bells", "--clip_length=6144", "--seed=3"]
    words += ["--name={input}-{loop}-{interpolate}"]
    code, printed, said = run(*words, cwd=tmp_path)
    name = "noise-noloop-Relu2_2-to-Class_1"
    assert (code, printed) == (0, f"out/{name}.flac\n"), said
    assert "--interpolate takes the place of what the preset towards_bells raises (" in said
    assert "to do: 1 clip, 0.3 s of sound, in 1 pass of 2 steps" in said
    assert soundfile.info(tmp_path / "out" / f"{name}.flac").subtype == "PCM_24"
    code, printed, said = run(*words, "--video=1:1", "--json", cwd=tmp_path)
    assert code == 0 and "dreaming by" not in said
    assert json.loads(printed)["video"] == f"out/{name}.mp4"
    code, _, said = run(*words, "--no-video", cwd=tmp_path)
    assert code == 2 and "already holds a run with --video square, not no --video" in said
