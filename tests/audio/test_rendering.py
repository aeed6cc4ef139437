"""What is written of an input beside its dream: as loud, as long, and what the two differ by."""

import io
import math

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.audio.loudness import match_loudness, measure_lufs
from dreamsound_jax.audio.rendering import (
    render_difference,
    render_input,
    render_input_alike,
    render_sound,
)

RATE = 16000
RANDOM = np.random.default_rng(0)


def noise(seconds=1.0, *, rate=RATE, channels=1, level=0.1):
    return level * RANDOM.normal(size=(round(seconds * rate), channels))


def subtype_of(wav):
    return soundfile.info(io.BytesIO(wav)).subtype


@pytest.mark.parametrize("target_lufs", [-23.0, -12.0, None])
@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, 48000)])
def test_an_input_is_as_loud_as_its_mono_dream_when_it_is_played(target_lufs, channels, rate):
    """Two loudspeakers play a mono sound 3 LU louder than the meter says."""
    dream = render_sound(noise(0.9, level=0.3), sample_rate=RATE, target_lufs=target_lufs)
    original = Recording(noise(rate=rate, channels=channels, level=0.01), rate)
    written = render_input(original, dream=dream, target_lufs=target_lufs)
    played = {1: 10 * math.log10(2), 2: 0}
    lufs = written.loudness.lufs + played[channels]
    assert lufs == pytest.approx(dream.loudness.lufs + played[1], abs=0.2)
    assert written.recording.channels.shape == (0.9 * rate, channels)
    assert subtype_of(written.content) == subtype_of(dream.content)


@pytest.mark.parametrize("target_lufs", [-23.0, None])
@pytest.mark.parametrize(("dreamed", "given"), [(0, 0.1), (0.1, 0), (0, 0), (1e-7, 0.1)])
def test_a_sound_that_the_meter_does_not_hear_is_no_reason_to_fail(dreamed, given, target_lufs):
    dream = render_sound(noise(level=dreamed), sample_rate=RATE, target_lufs=target_lufs)
    original = Recording(noise(level=given), RATE)
    written = render_input(original, dream=dream, target_lufs=target_lufs)
    assert np.isfinite(written.recording.channels).all()
    assert written.recording.channels.any() == (given > 0)


@pytest.mark.parametrize(("given", "dreamed"), [(5e-4, 1.5e-4), (3e-4, 4.5e-4), (0, 0)])
def test_what_the_meter_hears_in_one_alone_is_written_with_one_power(given, dreamed):
    """Of a recording in 5.1 with loud low-frequency effects, which count for no loudness."""
    encoding = Encoding(layout="5.1")
    original, dream = (np.zeros((RATE, 6)) for _ in range(2))
    for channels, level in ((original, given), (dream, dreamed)):
        channels[:, 3] = 0.9 * np.sin(2 * np.pi * 60 / RATE * np.arange(RATE))
        channels[:, 0] = level * RANDOM.uniform(-1, 1, RATE)
    rendered = render_sound(dream, sample_rate=RATE, encoding=encoding)
    beside = {"dream": rendered, "target_lufs": -23.0, "encoding": encoding}
    recording = Recording(original, RATE)
    heard = [np.isfinite(rendered.loudness.lufs)]
    for written in (
        render_input(recording, **beside),
        render_input_alike(recording, unscaled=dream, **beside),
    ):
        heard.append(np.isfinite(written.loudness.lufs))
        peaks = [np.abs(each.recording.channels).max() for each in (rendered, written)]
        assert peaks[1] == pytest.approx(peaks[0], rel=0.01) and peaks[0] > 0.07
        assert subtype_of(written.content) == subtype_of(rendered.content)
    assert not all(heard)


def test_a_difference_is_exact_and_is_never_clipped():
    sound = noise(level=0.2)
    for scale, target_lufs, subtype in [
        (0.5, -23, "PCM_16"),
        (-1, -3, "FLOAT"),
        (2, None, "FLOAT"),
    ]:
        dream, other = (
            render_sound(each, sample_rate=RATE, target_lufs=target_lufs)
            for each in (sound, scale * sound + noise(level=0.01))
        )
        wav = render_difference(dream, other)
        difference, _ = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
        wanted = dream.recording.channels - other.recording.channels
        np.testing.assert_array_equal(difference, wanted)
        assert (subtype_of(wav), np.abs(wanted).max() > 1) == (subtype, scale == -1)


def test_a_sound_is_brought_to_the_loudness_of_another():
    low = np.sin(2 * np.pi * 60 / RATE * np.arange(RATE))
    matched = match_loudness(low, noise(level=0.02), sample_rate=RATE)
    assert np.std(matched) > 0.03  # The meter hears little of it.
    reference = noise(level=1e-6)
    quiet = match_loudness(noise(), reference, sample_rate=RATE)
    assert np.mean(quiet**2) == pytest.approx(np.mean(reference**2))
    assert not match_loudness(np.zeros(9), reference, sample_rate=RATE).any()
    louder = noise(level=0.3)
    lufs = measure_lufs(match_loudness(noise(), louder, sample_rate=RATE), sample_rate=RATE)
    assert lufs == pytest.approx(measure_lufs(louder, sample_rate=RATE), abs=0.01)
