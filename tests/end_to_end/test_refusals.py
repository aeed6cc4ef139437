"""What is refused in one line, in rooms whose other tests do not meet it; see docs/messages.md."""

import logging
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import jax
import numpy as np
import pytest
import soundfile

import dreamsound_jax as ds
from dreamsound_jax.audio.files import normalise_recording
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.networks import card_entries
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.card_entries import check_classes, check_entries
from dreamsound_jax.outputs import folder as folders
from dreamsound_jax.outputs.one_file import check_file
from dreamsound_jax.run import run as runs
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.models import load_models
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.unused import warn_of_unused
from dreamsound_jax.system.devices import require_devices
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import Share
from dreamsound_jax.training import examples, loop, monitor
from dreamsound_jax.training.datasets.dataset import make_file_dataset
from dreamsound_jax.training.datasets.soundfont import SoundfontPlayer
from dreamsound_jax.training.datasets.tables import read_rows
from dreamsound_jax.training.examples import TRAIN, Examples
from dreamsound_jax.weights import convert, sources
from dreamsound_jax.weights.musicnn_weights import convert_tensors
from dreamsound_jax.weights.torch_file import open_state_dict
from studies.atlas.excerpts import find_excerpts
from studies.heard import networks
from studies.optimizers.inputs import read_inputs
from studies.real import read_sounds
from tests.cli.test_main import find_output
from tests.helpers.tiny import plan, tiny_model

LONG = "a name that is too long " * 12
TWO_MODELS = Options(checkpoint="net", sweep={"model": ("gm", "mtt")})
ENTRIES = {"name": "mine", "classes": ["dog"], "mean": -24.0, "std": 17.0}


def of_card(**changes):
    return lambda: check_entries({**ENTRIES, **changes})


def find_package(members, most_bytes=100):
    """Looks for musicnn's checkpoint in a package, or a file, that holds something else."""
    with zipfile.ZipFile("musicnn.whl", "w") as package:
        for name, content in members.items():
            package.writestr(name, content)
    with mock.patch.object(sources, "_MOST_BYTES", most_bytes):
        sources._find_checkpoint("musicnn.whl", {"file": "x.whl", "member": "m/"}).__enter__()


def open_archive(members):
    with zipfile.ZipFile("a.pth", "w") as archive:
        for name in members:
            archive.writestr(name, b"odd")
    open_state_dict("a.pth", None).__enter__()


def read_table(content):
    Path("tracks.csv").write_bytes(content)
    return list(read_rows(Path("tracks.csv"), ["name"], dataset="FMA"))


def with_few_classes(function):
    with mock.patch.object(card_entries, "MOST", 3):
        function()


def named(label, digest):
    return SimpleNamespace(label=label, digest=digest, outputs={"organ": 0})


def without(package, function):
    with mock.patch.dict(sys.modules, {package: None}):
        function()


REFUSALS = {
    "'a.wav' is too short: it has 1 samples at 96000 Hz": lambda: normalise_recording(
        "a.wav", Recording(np.ones((1, 1), np.float32), 96000), sample_rate=8000
    ),
    "--until=8 and --strength=50 both say how far the dream goes: give only one": (
        lambda: check_options(Options(until=8.0, strength=50.0))
    ),
    "--checkpoint and --sweep=model=... both name networks": lambda: load_models(TWO_MODELS),
    "--output_dir must be given with several processes": (
        lambda: runs.run(Options(), command="dreamsound", share=Share(0, 2))
    ),
    f"--output={LONG}.wav cannot be written: File name too long": (
        lambda: check_file(f"{LONG}.wav", overwrite=False)
    ),
    f"cannot make the output folder '{LONG}': File name too long": (
        lambda: folders.make_folder(LONG)
    ),
    "--output=dream.flac and --format=mp3 name two formats": (
        lambda: find_output("-o dream.flac --format=mp3")
    ),
    "name must be a word, got ''": of_card(name=" "),
    "classes must be at most 3, got 4": lambda: with_few_classes(lambda: check_classes([*"abcd"])),
    "bands must be a whole number above 0, got -1": of_card(
        architecture={"name": "panns", "channels": [4], "pools": 0, "bands": -1}
    ),
    "pools must be a whole number above 0, got -1": of_card(
        architecture={"name": "panns", "channels": [4], "pools": -1}
    ),
    "cannot read net/card.json: Is a directory": lambda: (
        Path("net/card.json").mkdir(parents=True) or read_card("net")
    ),
    "/dev/null must be a file of weights, and is a device: save what it holds to a file first": (
        lambda: sources.check_regular_file("/dev/null")
    ),
    "net.h5 must be the published x.whl, or the .index of a checkpoint of TensorFlow": (
        lambda: sources._find_checkpoint("net.h5", {"file": "x.whl"}).__enter__()
    ),
    "musicnn.whl must contain m/.index, and does not": lambda: find_package({"a": b""}),
    "m/.index in musicnn.whl must be smaller than 64 MB": (
        lambda: find_package({"m/.index": b"1234"}, most_bytes=3)
    ),
    "the checkpoint is not of musicnn's VGG: it has no tensor dense/kernel": (
        lambda: list(convert_tensors({}, {"output": {}}))
    ),
    ". must be a file of weights, and is a folder": lambda: convert._find_file("."),
    "a.pth is not a PyTorch file: it has more than one data.pkl": (
        lambda: open_archive(["a/data.pkl", "b/data.pkl"])
    ),
    "a.pth is damaged: its byte order is b'odd'": (
        lambda: open_archive(["a/data.pkl", "a/byteorder"])
    ),
    "cannot read .: Is a directory": (lambda: read_rows(Path("."), ["name"], dataset="FMA")),
    "cannot read tracks.csv: row 1: field larger than field limit (131072)": (
        lambda: read_table(b"a" * 140_000)
    ),
    "'sounds' has no sounds for the split 'training'": lambda: make_file_dataset(
        "sounds", classes=("a", "b"), splits={"training": []}, description="", source={}
    ),
    "rendering needs tinysoundfont: pip install": (
        lambda: without("tinysoundfont", lambda: SoundfontPlayer("a.sf2"))
    ),
    "--tensorboard needs tensorboardX: pip install": (
        lambda: without("tensorboardX", lambda: monitor._open_tensorboard("logs"))
    ),
    "--label must be given once for each --model, 1 times, and is given 2 times": (
        lambda: networks.load(["gm"], ["a", "b"])
    ),
    "--judges must name at least one network that does not dream, got none": (
        lambda: networks.check_judges([], [])
    ),
    "--judges must be networks that do not dream, and b has the same weights as a": (
        lambda: networks.check_judges([named("a", "x")], [named("b", "x")])
    ),
    "the judge b must know at least 2 of the classes of a, and knows 1": (
        lambda: networks.check_judges([named("a", "x")], [named("b", "y")])
    ),
    "--batch_size must be at most 2, the number of clips to train on, got 3": (
        lambda: loop._check_batch_size([1, 2], SimpleNamespace(batch_size=3))
    ),
    "the sounds must be of two or more classes": (
        lambda: examples._check_splits({TRAIN: Examples([1], np.zeros(1, int))})
    ),
    "the model must be what load_model returns, and is 'gm'": (
        lambda: ds.dream(np.ones(9999), 44100, "gm")
    ),
    "--sounds must name sounds that can be heard, got 1 that cannot": (
        lambda: find_excerpts(tiny_model(), "relu3_4", ["no.wav"], seconds=1.0)
    ),
    "there is no file 'no.wav'": lambda: read_sounds(["no.wav"]),
    "there is no file 'gone.wav'": lambda: read_inputs(["gone.wav"], 100, 22050),
    "--input=sine,sine: two of the inputs have the same name": (
        lambda: read_inputs(["sine", "sine"], 100, 22050)
    ),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_what_is_refused_is_said_in_one_line(message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        REFUSALS[message]()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_dream_does_not_replace_its_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.zeros(9), 8000)
    with pytest.raises(UserError, match=r"--output=a\.wav is the input: name another file"):
        find_output("a.wav -o a.wav -y")


def test_a_platform_that_is_not_there_is_named(monkeypatch):
    def fail():
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax, "devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UserError, match="no device: JAX_PLATFORMS=cuda names none that there is"):
        require_devices()


def test_dreaming_away_from_no_class_is_said_to_have_no_effect(caplog):
    caplog.set_level(logging.WARNING)
    away = {"class_objective": "away", "layers_to_use": ("relu2_2",)}
    warn_of_unused(Options(**away), plan(**away).clips)
    assert "--class_objective has no effect without a class to dream away from" in caplog.text
