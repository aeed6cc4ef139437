"""Runs on recordings of which the mean, or the network, would hear nothing."""

import logging

import numpy as np
import pytest
import soundfile

import dreamsound_jax as ds
from dreamsound_jax.audio.files import read_original
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.run.run import run as run_options
from tests.helpers import tiny
from tests.helpers.sounds import RATE

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 6144).astype(np.float32)
QUICK = {"layers_to_use": ("relu2_2",), "pyramid_size": 1, "num_iterations": 1, "seed": 3}
# Each clip draws rolls of its own, which would tell two clips apart.
QUICK["pyramid_roll"] = 0


@pytest.fixture
def folder(tmp_path, tiny_checkpoint, caplog):
    """Dreams sounds {name: (samples, channels)}; returns the folder of what was written."""
    caplog.set_level(logging.INFO, logger="dreamsound_jax")

    def dream(sounds, **changes):
        for name, sound in sounds.items():
            path = tmp_path / f"{name}.wav"
            soundfile.write(path, sound, RATE, subtype="FLOAT", format="WAVEX")
        paths = tuple(str(tmp_path / f"{name}.wav") for name in sounds)
        given = {"checkpoint": str(tiny_checkpoint), "plots": False, **QUICK}
        given |= {"input": paths, "output_dir": str(tmp_path / "out"), **changes}
        assert run_options(tiny.options(**given), command="dreamsound") == 0
        return tmp_path / "out"

    return dream


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_inverted_channels_are_dreamed_as_one_of_them(folder, caplog, domain):
    """In one run with the same channel twice, which is heard as ever."""
    sounds = {"inverted": np.stack([NOISE, -NOISE], 1), "alike": np.stack([NOISE, NOISE], 1)}
    out = folder(sounds, domain=domain, batch_size=2)
    inverted, alike = (np.load(out / f"0000{n}-{k}.npz")["mel_db"] for n, k in enumerate(sounds))
    np.testing.assert_allclose(inverted, alike, atol=1e-2)
    lines = [line for line in caplog.messages if "cancel each other" in line]
    assert len(lines) == 1 and "inverted.wav" in lines[0]


def test_a_dream_has_no_offset_and_six_channels_keep_layout_and_loudness(folder, caplog):
    # Channels of one mono recording in 5.1, the effects the loudest; and an offset in two.
    six = 0.1 * np.stack([NOISE] * 6, 1) * [1, 1, 1, 9, 1, 1] + [0.3, 0, 0, 0, -0.1, 0]
    out = folder({"six": six})
    for name in ("00000-six.wav", "00000-six.input.wav"):
        (sound, rate), origin = read_original(str(out / name))
        assert origin.layout == "5.1" and sound.shape[1] == 6
        assert np.abs(sound.mean(axis=0)).max() < 1e-2
        loudness = measure_loudness(sound, sample_rate=rate, layout="5.1")
        assert loudness.lufs == pytest.approx(-23, abs=0.2) or loudness.true_peak_dbtp > -1.1
    lines = [line for line in caplog.messages if "constant offset (DC) of 0.3" in line]
    assert len(lines) == 1


def test_clips_of_which_another_channel_is_heard_are_dreamed_together():
    """From Python: each as alone, and none by the channel of another."""
    sounds = [np.stack([NOISE, -NOISE]), np.stack([NOISE, NOISE]), np.stack([0 * NOISE, NOISE])]
    model = tiny.tiny_model()
    together = ds.dream(sounds, RATE, model, **QUICK)
    alone = [ds.dream(sound, RATE, model, **QUICK).sound for sound in sounds]
    for made, expected in zip(together, alone):
        np.testing.assert_allclose(made.sound, expected, atol=1e-4)
    np.testing.assert_allclose(together[0].sound[0], together[1].sound[0], atol=1e-4)
    np.testing.assert_allclose(together[0].sound[0], -together[0].sound[1], atol=1e-4)


def test_an_ouroboros_goes_on_hearing_the_channel(folder):
    """Its rounds would otherwise hear the mean of both channels, which is what rounding leaves."""
    sounds = {"inverted": np.stack([NOISE, -NOISE], 1)}
    out = folder(sounds, create_ouroboros=True, ouroboros_length=2, stabilise=False)
    mel_db = np.load(out / "00000-inverted.npz")["mel_db"]
    assert np.abs(mel_db[1:] - mel_db[0]).mean(axis=(1, 2)).max() < 5
