"""What is refused in one line, in rooms whose other tests do not meet it; see docs/messages.md."""

import logging

import jax
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.files import normalise_recording
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.networks.card_entries import check_entries
from dreamsound_jax.outputs import folder as folders
from dreamsound_jax.outputs.one_file import check_file
from dreamsound_jax.run import run as runs
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.models import load_models
from dreamsound_jax.run.options import Options
from dreamsound_jax.system.devices import require_devices
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import Share
from tests.cli.test_main import find_output
from tests.helpers.tiny import plan

LONG = "a" * 300
TWO_MODELS = Options(checkpoint="net", sweep={"model": ("gm", "mtt")})
ENTRIES = {"name": "mine", "classes": ["dog"], "mean": -24.0, "std": 17.0}


def of_card(**changes):
    return lambda: check_entries({**ENTRIES, **changes})


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
    "classes must be at most 1048576, got 1048577": of_card(
        classes=[str(number) for number in range(2**20 + 1)]
    ),
    "bands must be a whole number above 0, got -1": of_card(
        architecture={"name": "panns", "channels": [4], "pools": 0, "bands": -1}
    ),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_what_is_refused_is_said_in_one_line(message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        REFUSALS[message]()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


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
    runs._warn_of_unused(Options(**away), plan(**away))
    assert "--class_objective has no effect without a class to dream away from" in caplog.text
