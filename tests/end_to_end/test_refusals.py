"""What is refused in one line, in rooms whose other tests do not meet it; see docs/messages.md."""

import errno
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
from dreamsound_jax.api import saving
from dreamsound_jax.audio import find
from dreamsound_jax.audio.files import normalise_recording
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.cli import flag_files, flags
from dreamsound_jax.networks import card_entries, panns
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.card_entries import check_classes, check_entries
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.outputs import folder as folders
from dreamsound_jax.outputs import manifest
from dreamsound_jax.outputs.one_file import check_file
from dreamsound_jax.run import run as runs
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.models import load_models
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.unused import warn_of_unused
from dreamsound_jax.system import storage
from dreamsound_jax.system.devices import require_devices
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import Share
from dreamsound_jax.training import examples, loop, monitor
from dreamsound_jax.training.datasets import soundfont
from dreamsound_jax.training.datasets.dataset import make_file_dataset
from dreamsound_jax.training.datasets.soundfont import SoundfontPlayer
from dreamsound_jax.training.datasets.soundfont_info import read_soundfont_info
from dreamsound_jax.training.datasets.tables import read_rows
from dreamsound_jax.training.examples import TRAIN, Examples
from dreamsound_jax.weights import convert, download, musicnn_weights, sources
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


def find_package(members, most_bytes=100, damage=b""):
    """Looks for musicnn's checkpoint in a package, or a file, that holds something else."""
    path = Path("musicnn.whl")
    with zipfile.ZipFile(path, "w") as package:
        for name, content in members.items():
            package.writestr(name, content)
    if damage:
        path.write_bytes(path.read_bytes().replace(content, damage))
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


def download_package(complaint):
    done = SimpleNamespace(returncode=1, stderr=complaint)
    with mock.patch.object(download.subprocess, "run", return_value=done):
        download._download_package({"package": "musicnn==0.1.0", "file": "x.whl", "sha256": "0"})


def try_slow_player(path):
    slow = {"_TRIAL": "import time; time.sleep(60)", "MOST_SECONDS": 0.01}
    with mock.patch.multiple(soundfont, **slow):
        soundfont._try_in_another_process(path)


def on_two_devices(function):
    with mock.patch.object(jax, "local_device_count", return_value=2):
        function()


class Closed:
    """A folder, or a file, that this user may not read."""

    def __fspath__(self):
        return "dreams"

    __str__ = __fspath__

    def iterdir(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    read_bytes = iterdir


CLOSED = Closed()


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
    "the checkpoint is not of musicnn's VGG: the kernel of output has the shape (3,), and must": (
        lambda: musicnn_weights._fit("output", {"kernel": np.ones(3)}, {"kernel": np.ones(2)})
    ),
    "cannot read m/.index in musicnn.whl: Bad CRC-32 for file": (
        lambda: find_package({"m/.index": b"once right"}, damage=b"once wrong")
    ),
    "cannot download musicnn==0.1.0 with pip: ERROR: no connection; if you have x.whl, give": (
        lambda: download_package("WARNING: old\nERROR: no connection\n")
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
    "cannot read the soundfont gone.sf2: No such file or directory": (
        lambda: read_soundfont_info("gone.sf2")
    ),
    "slow.sf2 is damaged: its player does not come to an end": lambda: try_slow_player("slow.sf2"),
    "--batch_size must be a multiple of 2, the number of devices, got 3": lambda: on_two_devices(
        lambda: loop._check_batch_size([*range(4)], SimpleNamespace(batch_size=3))
    ),
    "multi_label must be true or false, got 'yes'": (
        lambda: panns._check_size([4], pools=0, multi_label="yes", bands=64)
    ),
    "--interpolate must have two objectives or more": lambda: Interpolation((ds.layer("relu1_1"),)),
    "--sweep=lr= is given twice: give all of its values in one, as in --sweep=lr=VALUE": (
        lambda: flags._parse_sweeps(["lr=0.1", "lr=0.2"])
    ),
    f"the flag file '{LONG}' cannot be read: File name too long": (
        lambda: flag_files._read_text(LONG)
    ),
    "'gs://sounds/**/*.wav' must not contain '**', which works for local files only": (
        lambda: find._match_in_store("gs://sounds/**/*.wav")
    ),
    "cannot look into 'dreams': Permission denied": lambda: storage.list_files(CLOSED, "*"),
    "cannot read 'dreams': Permission denied": lambda: manifest._read(CLOSED),
    "layout must be FFmpeg's name of 2 channels, and is '5.1'": (
        lambda: saving._check_layout("5.1", channels=2)
    ),
    "interpolate and target_class must not both be given": lambda: ds.dream(
        np.ones(9999), 22050, tiny_model(), interpolate="relu1_1 > relu2_1", target_class="class_1"
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
