"""The command: help, lists, exit codes and lines for bad flags."""

import dataclasses
import shlex
import subprocess
import sys

import pytest
from absl.testing import flagsaver

import dreamsound_jax.cli.flags as own_flags
import dreamsound_jax.run.run
from dreamsound_jax.cli import main, parsing
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.run.options import FIELDS
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers.commands import parse, start

EVERYTHING = (
    *("--input", "a,b.wav", "noise", "--layers_to_use", "relu1_1", "output", "--nocrossfade"),
    *("--sweep=lr=0.1,0.2", "--sweep=layers_to_use=relu1_1,relu2_1+relu2_2", "--plots", "False"),
    *("--target_class=organ", "--optimizer=adam", "--b1", "0.5", "--lr=0.25", "--num_clips=3"),
    *("--seed=4", "--output_dir=my dreams", "--gain_range=12", "--domain=mel"),
)


@pytest.mark.parametrize(
    "arguments", [(), EVERYTHING, ("--flagfile=ouroboros_1", "--lr=0.3"), ("--lr=0.02",)]
)
def test_the_command_that_is_written_down_repeats_the_run(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.wav").touch()
    with flagsaver.flagsaver():
        parsing.parse(["dreamsound", *arguments], module=own_flags.__name__, usage="")
        command, options = main._repeating_command(), own_flags.read_options()
    words = shlex.split(command)
    assert words[0] == "dreamsound"
    assert parse(*words[1:]) == dataclasses.replace(options, seed=None, output_dir=None)
    assert not any(word.startswith(("--seed", "--output_dir")) for word in words)


def test_the_exit_code_says_whether_clips_failed(monkeypatch):
    monkeypatch.setattr(runtime, "prepare", lambda precision, quiet: None)
    seen = []
    for failed, lost, code in ((0, False, 0), (3, False, 2), (0, True, 2)):

        def run(options, *, command, share, join_timeout, output_file, report, case=(failed, lost)):
            assert output_file is None
            count, report.failed = case
            seen.append((options.num_clips, command, share, join_timeout))
            return count

        monkeypatch.setattr(dreamsound_jax.run.run, "run", run)
        with flagsaver.flagsaver():
            argv = ["dreamsound", "--num_clips=3", "--num_processes=4", "--process_id=3"]
            argv.append("--join_timeout=7")
            parsing.parse(argv, module=own_flags.__name__, usage="")
            assert main.main() == code
    assert seen == [(3, "dreamsound --num_clips=3", (3, 4), 7)] * 3


def test_list_models_shows_each_with_its_classes_place_and_layers(capsys):
    with flagsaver.flagsaver(list_models=True):
        parsing.parse(["dreamsound", "--list_models"], module=own_flags.__name__, usage="")
        assert main.main() == 0
    printed = capsys.readouterr().out
    for words in (
        "16 classes:\n    piano, chromatic_percussion",
        f"checkpoint: {shipped('checkpoints') / 'gm'}",
        "convert_weights.py --model=fma-small --download",
        "license: CC-BY-4.0 (weights), MIT (the original code)",
        "published file: Cnn10_mAP=0.380.pth, 25 MB, https://zenodo.org/record/3987831/",
        f"{len(load_model().card.architecture.layers)} layers, shallow to deep:\n    conv1_1, relu",
    ):
        assert words in printed


HELP = """
import atexit, sys
sys.argv = ["dreamsound", "--help"]
heavy = ("jax", "numpy", "flax", "optax", "soundfile", "matplotlib")
atexit.register(lambda: print("imported:", [name for name in heavy if name in sys.modules]))
from dreamsound_jax.cli.main import run_command
run_command()
"""


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HELP], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("DreamSound: ")
    assert all(f"--{name}" in done.stdout or f"]{name}" in done.stdout for name in FIELDS)
    assert done.stdout.endswith("imported: []\n")


@pytest.mark.parametrize(
    ("typed", "folder", "file"),
    [
        ("", None, None),
        ("-o dreams", "dreams", None),
        ("--out=a/b.d", "a/b.d", None),
        ("--output-dir=dream.wav", "dream.wav", None),
        ("-o new/dream.wav", None, "new/dream.wav"),
    ],
)
def test_an_output_is_a_folder_or_a_file(typed, folder, file):
    assert find_output(typed) == (folder, file)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("-o=", "--output must name a folder or a file, such as dream.wav, and is ''"),
        (
            "-o pyproject.toml",
            "--output=pyproject.toml is a file, and must be a folder, or a name ",
        ),
        ("--output_dir=pyproject.toml", "--output_dir=pyproject.toml is a file, and must be a fol"),
        ("-o -", "--output must name a folder or a file, such as dream.wav, and is '-'"),
        ("-o dream.m4a", "--output=dream.m4a must end in .wav or .flac or .ogg or .mp3, or name"),
        ("-o dream.mp4", "--output=dream.mp4 must name a sound: --output=dream.wav --video"),
        ("-o a --output_dir=b", "--output=a and --output_dir=b both say where"),
        ("-o pyproject.toml/dream.wav", "--output=pyproject.toml/dream.wav cannot be written"),
    ],
)
def test_an_output_that_is_not_possible_is_named(typed, message):
    with pytest.raises(UserError, match=f"^{message}"):
        find_output(typed)


def find_output(typed):
    with flagsaver.flagsaver():
        parsing.parse(["dreamsound", *typed.split()], module=own_flags.__name__, usage="")
        options, file = main._find_output(own_flags.read_options())
    return options.output_dir, file


@pytest.mark.timing
def test_help_is_quick(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dreamsound_jax", "--help"], capture_output=True, timeout=3
    )
    assert done.returncode == 0


BAD = {
    # These are found when flags are parsed, when a clip is read, and when a process finds out which
    # of several it is; tests/end_to_end/test_processes.py names a layer that the network lacks.
    "some.wav": "there is no file 'some.wav'; an input must be a sound file",
    "--preset=hit": "dreamsound: no preset 'hit' (did you mean hits?)",
    "noise --pyramid_size=6": "noise (2.32 s): the pyramid is too deep for this clip",
    "noise sine -o out.wav": "dreamsound: --output=out.wav is one file, and there are 2 clips",
    "noise --objective=channel(relu3_4,999)": "dreamsound: --objective: a channel of relu3_4 must",
    "--num_processes=2": "dreamsound: --num_processes and --process_id must both be given",
}


def test_bad_flags_end_the_process_with_one_line_and_leave_nothing(tmp_path):
    running = [start(*flags.split(), cwd=tmp_path) for flags in BAD]
    for process, message in zip(running, BAD.values()):
        stdout, stderr = process.communicate(timeout=300)
        assert (process.returncode, stdout) == (2, ""), stderr
        assert stderr.startswith(message)
        assert stderr.count("\n") == 1 and stderr.endswith("\n")
    assert not list(tmp_path.iterdir())
