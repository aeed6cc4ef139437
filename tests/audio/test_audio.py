"""Loudness and true peaks, and how sounds are brought to a level."""

import math
import warnings

import jax
import numpy as np
import pytest
from scipy.signal import resample_poly

from dreamsound_jax.audio import decoding, generated, true_peak
from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.audio.loudness import measure_loudness, normalise_loudness
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import pitch

RATE = 22050


def tone(rate=RATE, seconds=1.0, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def test_noise_is_float32_and_repeatable_at_any_precision():
    key = jax.random.key(3)
    sound = generated.noise(key, samples=51200)
    with jax.enable_x64(True):
        again = generated.noise(key, samples=51200)
    np.testing.assert_array_equal(sound, again)
    assert sound.dtype == again.dtype == np.float32
    assert -1 <= sound.min() < -0.999 and 0.999 < sound.max() < 1 and abs(sound.mean()) < 0.01


def test_sine_has_its_pitch_and_refuses_others():
    sound = generated.sine(samples=RATE, frequency=250, sample_rate=RATE)
    assert sound.dtype == np.float32 and pitch(sound) == 250 and sound.max() > 0.9999
    for frequency in (0, -1, 11025, float("nan")):
        with pytest.raises(UserError, match="11025"):
            generated.sine(samples=10, frequency=frequency, sample_rate=RATE)


def test_measure_agrees_with_the_standard():
    # EBU Tech 3341, case 1: a stereo 1 kHz sine at -23 dBFS is -23 LUFS; one channel, 3 dB less.
    sound = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(20 * 48000) / 48000)
    lufs, peak = measure_loudness(sound, sample_rate=48000)
    assert lufs == pytest.approx(-26, abs=0.1) and peak == pytest.approx(-23, abs=0.1)
    # At a quarter of the sample rate every sample is 3 dB under the wave's true peak.
    between = np.sin(np.pi / 4 + np.pi / 2 * np.arange(48000))
    assert measure_loudness(between, sample_rate=48000).true_peak_dbtp == pytest.approx(0, abs=0.2)


def test_measure_hears_channels_together_as_the_standard_does():
    # EBU Tech 3341, case 1 again, now in stereo.
    sine = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(20 * 48000) / 48000)
    stereo = np.stack([sine, sine], axis=1)
    lufs, peak = measure_loudness(stereo, sample_rate=48000)
    one = measure_loudness(sine, sample_rate=48000)
    assert lufs == pytest.approx(-23, abs=0.1)
    assert lufs - one.lufs == pytest.approx(10 * np.log10(2), abs=1e-6)
    assert peak == pytest.approx(one.true_peak_dbtp, abs=1e-9)
    # The true peak is that of the louder channel; a mono column is a mono sound.
    fading = np.stack([0.1 * sine, sine], axis=1)
    assert measure_loudness(fading, sample_rate=48000).true_peak_dbtp == pytest.approx(peak)
    assert measure_loudness(sine[:, None], sample_rate=48000) == pytest.approx(one)


def burst(samples, at):
    sound = np.zeros(samples)
    sound[at : at + 3] = [1, -0.9, 0.4]
    return sound


RANDOM = np.random.default_rng(0)
QUIET = RANDOM.uniform(-1e-5, 1e-5, 8 * RATE)
SOUNDS = {
    "noise": RANDOM.uniform(-1, 1, 51001),
    "loud noise": 40 * RANDOM.normal(size=51001),
    "quiet sine": 1e-4 * tone(seconds=2),
    "0.1 s": tone(seconds=0.1),
    "0.41 s": tone(seconds=0.41),
    "click": burst(51001, 30000),
    "click at the start": burst(51001, 0),
    "one sample": np.ones(1),
    "half a silence": np.r_[np.zeros(60000), tone(seconds=3)],
    "stereo": RANDOM.uniform(-1, 1, (51001, 2)) * [1, 0.2],
    "stereo of 0.1 s": np.stack([tone(seconds=0.1), burst(2205, 900)], axis=1),
    "seven channels": RANDOM.uniform(-1, 1, (30000, 7)) * [1, 1, 1, 1, 1, 8, 1],
    "clicks": np.tile(burst(4000, 9), 20),
    "clicks in noise under one step": np.tile(burst(22050, 9), 5) + QUIET[:110250],
    # The gain takes many blocks past the meter's absolute gate.
    "fade": QUIET * 10 ** (np.linspace(80, 0, QUIET.size) / 20),
    "too low to be heard": tone(seconds=2, frequency=0.1),
    "silence": np.zeros(30000),
    "silence in stereo": np.zeros((9000, 2)),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_rendered_sound_is_safe_and_as_loud_as_it_says(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendered = render_sound(SOUNDS[name], sample_rate=RATE)
        sound, rate = decoding.decode_sound(rendered.content)
        lufs, peak = measure_loudness(sound, sample_rate=rate)
    assert rate == rendered.recording.sample_rate == RATE
    np.testing.assert_array_equal(rendered.recording.channels, sound)
    assert sound.shape == np.atleast_2d(SOUNDS[name].T).T.shape
    assert rendered.loudness == pytest.approx((lufs, peak), abs=0.01)
    if name.startswith("silence"):
        assert rendered.loudness == (-math.inf, -math.inf) and not sound.any()
        return
    # Not by the module's own meter: oversampled 8 times.
    assert 20 * np.log10(np.abs(resample_poly(np.pad(sound, [(99, 99), (0, 0)]), 8, 1)).max()) < -1
    assert peak < -1
    if name == "too low to be heard":
        assert lufs == -math.inf and peak == pytest.approx(-23, abs=0.01)
    elif name in ("one sample", "click", "click at the start", "clicks") or "under one" in name:
        assert lufs < -25 and peak == pytest.approx(-1.05, abs=0.01)
    else:
        assert lufs == pytest.approx(-23, abs=0.2)


def test_a_sound_that_is_not_normalised_is_written_as_it_is():
    sound = 3 * SOUNDS["stereo"]
    rendered = render_sound(sound, sample_rate=RATE, target_lufs=None)
    np.testing.assert_array_equal(rendered.recording.channels, np.float32(sound))
    again = decoding.decode_sound(rendered.content)
    np.testing.assert_array_equal(again.channels, np.float32(sound))
    assert rendered.loudness == measure_loudness(again.channels, sample_rate=RATE)
    assert rendered.loudness.true_peak_dbtp > 9


def test_a_true_peak_is_found_wherever_a_long_sound_is_cut_into_pieces(monkeypatch):
    """Between two samples of a wave at a quarter of the rate, 45 degrees from their peaks."""
    wave = np.sin(np.pi / 2 * np.arange(40) + np.pi / 4)[:, None] * np.hanning(40)[:, None]
    for where in (0, 440, 500, 512, 530, 960):
        sound = np.zeros((1000, 2))
        sound[where : where + 40] = wave
        whole = measure_loudness(sound, sample_rate=48000).true_peak_dbtp
        with monkeypatch.context() as patched:
            patched.setattr(true_peak, "PIECE", 512)
            pieces = measure_loudness(sound, sample_rate=48000).true_peak_dbtp
        assert pieces == pytest.approx(whole, abs=1e-6)
        assert whole > 20 * np.log10(np.abs(sound).max()) + 1


def test_normalising_is_one_gain_in_float32_and_leaves_silence():
    for name in ("noise", "stereo"):
        scaled, _ = normalise_loudness(SOUNDS[name], sample_rate=RATE)
        assert scaled.dtype == np.float32 and np.ptp(scaled / SOUNDS[name]) < 1e-6
    for silence in (np.zeros(51001), np.zeros((51001, 2)), np.zeros(10), np.zeros(0)):
        scaled, measured = normalise_loudness(silence, sample_rate=RATE)
        np.testing.assert_array_equal(scaled, silence)
        assert measured == (-np.inf, -np.inf) == measure_loudness(silence, sample_rate=RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_never_written(bad):
    sound = np.array([0, bad, 1])
    with pytest.raises(ValueError, match="NaN"):
        normalise_loudness(sound, sample_rate=RATE)
    with pytest.raises(ValueError, match="NaN"):
        encode_sound(sound, sample_rate=RATE, encoding=Encoding())


@pytest.mark.parametrize(("bit_depth", "error"), [("16", 2**-16), ("24", 2**-24), ("32f", 1e-7)])
def test_encode_and_decode_go_round_and_clip(bit_depth, error):
    sound = np.r_[tone(), 0.999, -1]
    encoding = Encoding(bit_depth=bit_depth)
    again, rate = decoding.decode_sound(encode_sound(sound, sample_rate=RATE, encoding=encoding))
    assert rate == RATE and again.shape == (sound.size, 1) and again.dtype == np.float32
    np.testing.assert_allclose(again[:, 0], sound, atol=error)
    loud = encode_sound(np.array([3.0, -3.0]), sample_rate=RATE, encoding=Encoding())
    clipped, _ = decoding.decode_sound(loud)
    np.testing.assert_allclose(clipped[:, 0], [1, -1], atol=2**-14)


@pytest.mark.parametrize("rate", [100, 2000, 2100])
def test_slow_sounds_are_measured(rate):
    """The filters of BS.1770, made for 48 kHz, overflow at some rates."""
    sound = tone(rate, seconds=2, frequency=40)
    found, louder = (measure_loudness(each, sample_rate=rate).lufs for each in (sound, 2 * sound))
    assert np.isfinite(found)
    assert louder - found == pytest.approx(6.02, abs=0.01)
