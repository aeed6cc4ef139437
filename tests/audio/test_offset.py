"""A constant offset (DC) is found, and removed before anything is measured."""

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio import files
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.offset import find_offset
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import RATE, original, tone

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE)
CLICK = np.where(np.arange(2 * RATE) == 9000, 1.0, 0.0)
RECORDINGS = ("ambi_choir", "guit_em9", "loop_amen", "loop_mehackit1", "misc_crow", "vinyl_scratch")


def offset_of(sound, rate=RATE):
    return find_offset(np.atleast_2d(np.float32(sound)).T, sample_rate=rate)


def test_an_offset_is_found():
    sounds = {
        "noise": NOISE,
        "a tone": tone(seconds=0.3),
        "a quiet tone": 1e-4 * tone(),
        "silence with a click": CLICK,
        "a square": np.sign(tone(frequency=100)),
        "1,000 samples": NOISE[:1000],
    }
    for name, sound in sounds.items():
        for offset in (0.3, -0.2):
            assert offset_of(sound + offset) == pytest.approx([offset], abs=0.03), name
    assert offset_of([tone(), tone() + 0.01]) == pytest.approx([0, 0.01], abs=1e-4)


def test_what_has_none_is_left_as_it_is():
    sounds = {
        "noise": NOISE,
        "a short noise": NOISE[:2000],
        "a low tone": tone(frequency=3, seconds=1.3),
        "silence with a click": CLICK,
        "a pulse": np.where(np.arange(2 * RATE) % 100 < 9, 0.91, -0.09),
        "a negligible offset": tone() + 1e-4,
        "one sample": np.ones(1),
        "nothing": np.zeros(0),
    }
    for name, sound in sounds.items():
        assert not offset_of(sound).any(), name
    for name in RECORDINGS:
        channels, rate = original(name)
        recording = Recording(channels, rate)
        assert files.remove_offset(name, recording) is recording


def test_a_sound_with_an_offset_is_heard_as_without_it(caplog):
    plain = Recording(np.float32(np.stack([NOISE, NOISE], axis=1)), RATE)
    moved = plain._replace(channels=plain.channels + np.float32([0.3, 0]))
    heard, expected = (
        files.normalise_recording("a.wav", each, sample_rate=RATE) for each in (moved, plain)
    )
    np.testing.assert_allclose(heard, expected, atol=0.02)
    (line,) = caplog.messages
    assert "'a.wav' has a constant offset (DC) of 0.302, which is removed" in line
    again = files.remove_offset("a.wav", files.remove_offset("a.wav", moved))
    assert len(caplog.messages) == 2 and not find_offset(again.channels, sample_rate=RATE).any()


def test_a_constant_is_silent(tmp_path):
    for subtype, value in [("PCM_U8", -1 / 128), ("PCM_16", 0.5), ("FLOAT", 1e-4)]:
        path = tmp_path / f"{subtype}.wav"
        sound = np.full((12000, 2), value) * [1, -0.5 if subtype != "PCM_U8" else 1]
        soundfile.write(path, sound, RATE, subtype=subtype)
        with pytest.raises(UserError, match=f"is silent: it holds a constant of {value:.3g}, and"):
            files.read_sound(str(path), sample_rate=RATE)


SECOND_HALF = np.where(np.arange(2 * RATE) < RATE, 0, 0.6)


def test_an_offset_that_changes_is_removed_and_a_line_says_so(caplog):
    seconds = np.arange(2 * RATE) / RATE
    offsets = {"in one part": SECOND_HALF, "a ramp": 0.4 * seconds, "slow": np.sin(seconds)}
    for name, offset in offsets.items():
        caplog.clear()
        moved = Recording(np.float32([NOISE + offset, NOISE]).T, RATE)
        found = files.remove_offset("a.wav", moved).channels
        assert np.abs([half.mean() for half in np.split(found[:, 0], 2)]).max() < 0.02, name
        far = np.abs(np.arange(2 * RATE) - RATE) > RATE // 4  # from the step
        assert np.std((found[:, 0] - NOISE)[far]) < 0.03, name
        np.testing.assert_array_equal(found[:, 1], moved.channels[:, 1])
        (line,) = caplog.messages
        assert "'a.wav' has an offset (DC) that changes, up to" in line
        assert "what is slower than 5 Hz is removed" in line
        again = moved._replace(channels=found)
        assert files.remove_offset("a.wav", again) is again


def test_low_sounds_have_no_offset_that_changes(caplog):
    seconds = np.arange(2 * RATE) / RATE
    since = seconds % 0.5
    sounds = {
        "20 Hz": tone(seconds=2, frequency=20),
        "a kick": np.exp(-since / 0.1)
        * np.sin(2 * np.pi * (50 * since + 8 * np.exp(-since / 0.03))),
        "a pulse": np.where(np.arange(2 * RATE) % 100 < 9, 0.91, -0.09),
        "swells": NOISE * (1 + np.sin(2 * np.pi * seconds)),
        "a click": CLICK,
    }
    for name, sound in sounds.items():
        recording = Recording(np.float32(sound)[:, None], RATE)
        assert files.remove_offset(name, recording) is recording
    assert not caplog.messages


def test_a_step_or_a_ramp_is_no_sound():
    ramp = np.round(32768 * np.linspace(0, 0.8, 2 * RATE)) / 32768
    for sound, words in [
        (SECOND_HALF + 0.1, "it only rises or only falls, from 0.1 to 0.7, and holds no sound"),
        (ramp, "it only rises or only falls, from 0 to 0.8"),
        (-ramp[:100], "it only rises or only falls"),
        (tone(frequency=3, seconds=2), r"it holds an offset \(DC\) that changes, and no sound"),
    ]:
        channels = np.float32([sound, 0.5 * sound]).T
        with pytest.raises(UserError, match=f"'a.wav' is silent: {words}"):
            files.remove_offset("a.wav", Recording(channels, RATE))
