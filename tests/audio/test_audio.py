import os
import warnings

import jax
import numpy as np
import pytest
from etils import epath
from scipy.signal import resample_poly

from dreamsound_jax.audio import files, generated, loudness
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.system import storage
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
}


@pytest.mark.parametrize("name", SOUNDS)
def test_make_safe_holds_after_encoding(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        safe = loudness.make_safe(SOUNDS[name], sample_rate=RATE)
        sound, rate = files.decode(files.encode_wav(safe, sample_rate=RATE))
        lufs, peak = measure_loudness(sound, sample_rate=rate)
    assert safe.dtype == np.float32 and safe.shape == SOUNDS[name].shape and rate == RATE
    assert sound.shape == np.atleast_2d(SOUNDS[name].T).T.shape
    # Not by the module's own meter: oversampled 8 times.
    assert 20 * np.log10(np.abs(resample_poly(np.pad(sound, [(99, 99), (0, 0)]), 8, 1)).max()) < -1
    assert peak < -1 and lufs < -22.7
    assert lufs > -23.3 or peak == pytest.approx(-1.05, abs=0.01)


def test_a_true_peak_is_found_wherever_a_long_sound_is_cut_into_pieces(monkeypatch):
    """Between two samples of a wave at a quarter of the rate, 45 degrees from their peaks."""
    wave = np.sin(np.pi / 2 * np.arange(40) + np.pi / 4)[:, None] * np.hanning(40)[:, None]
    for where in (0, 440, 500, 512, 530, 960):
        sound = np.zeros((1000, 2))
        sound[where : where + 40] = wave
        whole = measure_loudness(sound, sample_rate=48000).true_peak_dbtp
        with monkeypatch.context() as patched:
            patched.setattr(loudness, "_PIECE", 512)
            pieces = measure_loudness(sound, sample_rate=48000).true_peak_dbtp
        assert pieces == pytest.approx(whole, abs=1e-9)
        assert whole > 20 * np.log10(np.abs(sound).max()) + 1


def test_make_safe_is_one_gain_and_leaves_silence():
    safe = loudness.make_safe(SOUNDS["noise"], sample_rate=RATE)
    assert np.ptp(safe / SOUNDS["noise"]) < 1e-6
    stereo = loudness.make_safe(SOUNDS["stereo"], sample_rate=RATE)
    assert np.ptp(stereo / SOUNDS["stereo"]) < 1e-6
    for silence in (np.zeros(51001), np.zeros((51001, 2)), np.zeros(10), np.zeros(0)):
        np.testing.assert_array_equal(loudness.make_safe(silence, sample_rate=RATE), silence)
        assert measure_loudness(silence, sample_rate=RATE) == (-np.inf, -np.inf)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_never_written(bad):
    sound = np.array([0, bad, 1])
    with pytest.raises(ValueError, match="NaN"):
        loudness.make_safe(sound, sample_rate=RATE)
    with pytest.raises(ValueError, match="NaN"):
        files.encode_wav(sound, sample_rate=RATE)


@pytest.mark.parametrize(("subtype", "error"), [("PCM_16", 2**-15), ("FLOAT", 1e-7)])
def test_encode_and_decode_go_round_and_clip(subtype, error):
    sound = np.r_[tone(), 0.999, -1]
    again, rate = files.decode(files.encode_wav(sound, sample_rate=RATE, subtype=subtype))
    assert rate == RATE and again.shape == (sound.size, 1) and again.dtype == np.float32
    np.testing.assert_allclose(again[:, 0], sound, atol=error)
    clipped, _ = files.decode(files.encode_wav(np.array([3.0, -3.0]), sample_rate=RATE))
    np.testing.assert_allclose(clipped[:, 0], [1, -1], atol=2**-14)


def test_write_whole_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / ("x" * 250 + ".wav")
    for data in (b"first", b"second"):
        storage.write_whole(str(path), data)
        assert path.read_bytes() == data and os.listdir(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_what_a_killed_writer_left_is_replaced_unless_it_may_be_anothers(tmp_path, monkeypatch):
    class Killed(BaseException):
        """As kill -9: nothing is tidied up."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(type(epath.Path(tmp_path)), "unlink", lambda *_, **__: None)
        for shared in (False, True):
            with pytest.raises(Killed):
                storage.write_whole(str(tmp_path / "a.wav"), b"first", shared=shared)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    storage.write_whole(str(tmp_path / "a.wav"), b"second")
    assert (tmp_path / "a.wav").read_bytes() == b"second"
    assert len(list(tmp_path.glob(".*.part"))) == 1


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_write_whole_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="a.wav.*No space left"):
        storage.write_whole(str(path), b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.wav"]


def test_write_whole_names_a_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    reasons = {"file/a.wav": "Not a directory", "no/a.wav": "No such", "folder": ""}
    for place, reason in reasons.items():
        with pytest.raises(UserError, match=f"{place}.*{reason}"):
            storage.write_whole(str(tmp_path / place), b"data")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("rate", [100, 2000, 2100])
def test_slow_sounds_are_measured(rate):
    """The filters of BS.1770, made for 48 kHz, overflow at some rates."""
    sound = tone(rate, seconds=2, frequency=40)
    found, louder = (measure_loudness(each, sample_rate=rate).lufs for each in (sound, 2 * sound))
    assert np.isfinite(found)
    assert louder - found == pytest.approx(6.02, abs=0.01)
