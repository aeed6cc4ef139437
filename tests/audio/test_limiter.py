"""The limiter; `pytest -s tests/audio/test_limiter.py -k distort` prints how much it distorts."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from dreamsound_jax.audio import decoding, limiter, true_peak
from dreamsound_jax.audio.limiter import limit_peaks
from dreamsound_jax.audio.loudness import measure_loudness, normalise_loudness
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.audio.true_peak import measure_peaks
from tests.helpers.sounds import original

RATE = 44100


def tone(frequency, seconds=10.0, rate=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def decibels(ratio):
    return 20 * np.log10(ratio)


def limit(sound, *, ceiling, factor=1.0, rate=RATE):
    peaks = measure_peaks(sound)
    return limit_peaks(sound, peaks, factor=factor, ceiling=ceiling, sample_rate=rate)


def drums(rate, channels, seconds=2.0):
    """Hits that each fade within a tenth of a second, with a snap of a millisecond before them."""
    rng, seconds_of_hit = np.random.default_rng(0), np.arange(rate // 4) / rate
    body = np.exp(-seconds_of_hit / 0.05) * np.sin(2 * np.pi * 120 * seconds_of_hit)
    snap = 2 * np.exp(-seconds_of_hit / 0.001) * np.sin(2 * np.pi * 1500 * seconds_of_hit)
    hits = np.tile(body + snap, round(4 * seconds))
    return hits[:, None] * rng.uniform(0.5, 1, channels)


def clicks_in_hiss(rate, channels):
    rng = np.random.default_rng(0)
    sound = 0.03 * rng.normal(size=(2 * rate, channels))
    sound[rate // 3 :: rate // 2] = 1
    return sound


def chirp_of_80_ms(rate, channels):
    """A short sound with a peak that a gain alone would stop at."""
    seconds = np.arange(round(0.08 * rate)) / rate
    sound = 0.1 * np.sin(2 * np.pi * (300 + 4000 * seconds) * seconds)
    sound[round(0.04 * rate)] = 1
    return np.repeat(sound[:, None], channels, axis=1)


@pytest.mark.parametrize("make", [drums, clicks_in_hiss, chirp_of_80_ms])
@pytest.mark.parametrize(
    ("rate", "channels"), [(8000, 1), (22050, 1), (44100, 2), (48000, 6), (192000, 2)]
)
def test_a_sound_with_high_peaks_is_written_at_its_loudness(make, rate, channels):
    """4 LU above what a gain alone could reach; read back from 16 bit."""
    sound = make(rate, channels)
    before = measure_loudness(sound, sample_rate=rate)
    target_lufs = before.lufs - before.true_peak_dbtp + 3
    rendered = render_sound(sound, sample_rate=rate, target_lufs=target_lufs)
    written = measure_loudness(decoding.decode_sound(rendered.content).channels, sample_rate=rate)
    assert written.lufs == pytest.approx(target_lufs, abs=0.2)
    assert -1.2 < written.true_peak_dbtp <= -1
    assert rendered.loudness == pytest.approx(written, abs=0.01)


def test_a_click_is_limited_by_no_more_than_12_db_and_its_loudness_says_so():
    sound = 1e-4 * np.random.default_rng(0).normal(size=(RATE, 1))
    sound[RATE // 2] = 1
    scaled, measured = normalise_loudness(sound, sample_rate=RATE)
    assert measured.lufs < -25 and measured.true_peak_dbtp == pytest.approx(-1.05, abs=0.01)
    gain_db = decibels(np.abs(scaled[1000:2000]).max() / np.abs(sound[1000:2000]).max())
    assert gain_db == pytest.approx(12 - 1.05, abs=0.3)
    assert measure_loudness(scaled, sample_rate=RATE) == pytest.approx(measured, abs=0.01)


def test_only_what_is_near_a_peak_is_turned_down_and_all_channels_alike():
    sound = 0.1 * np.stack([tone(330, 3.0), tone(500, 3.0), tone(0, 3.0)], axis=1)
    sound[RATE : RATE + 40, 0] += 0.9
    limited = limit(sound, ceiling=0.25, factor=0.5)
    gain = limited[:, 0] / np.where(sound[:, 0] == 0, 1, sound[:, 0])
    audible = np.abs(sound).min(axis=1, where=[True, True, False], initial=1) > 0.01
    np.testing.assert_allclose(limited[audible, 1] / sound[audible, 1], gain[audible], rtol=1e-4)
    assert not limited[:, 2].any()
    assert measure_peaks(limited).max() == pytest.approx(0.25, rel=0.01)
    far = np.abs(np.arange(len(sound)) - RATE) / RATE
    np.testing.assert_allclose(limited[far > 1.0], 0.5 * sound[far > 1.0], rtol=1e-3)
    before = np.arange(len(sound)) < RATE - 0.025 * RATE
    np.testing.assert_allclose(limited[before], 0.5 * sound[before], atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("size", [1, 7, 100, 30000])
def test_no_peak_passes_the_ceiling_wherever_it_is(rate, size):
    """Nor between two samples, at either end, or where a long sound is cut into pieces."""
    noise = np.random.default_rng(size).normal(size=size) * np.linspace(1, 4, size)
    for sound in (noise, noise[::-1]):
        limited = limit(sound, ceiling=0.5, rate=rate)
        assert limited.dtype == np.float32 and np.abs(limited).max() > 0.3
        assert measure_peaks(limited).max() < 0.5 * 10 ** (0.1 / 20)
        assert np.abs(resample_poly(np.pad(limited, 99), 16, 1)).max() < 0.5 * 10 ** (0.3 / 20)


def test_a_long_sound_is_limited_in_pieces_as_if_it_were_whole(monkeypatch):
    noise = np.random.default_rng(0).normal(size=(5001, 2))
    whole = limit(noise, ceiling=0.5)
    for module in (limiter, true_peak):
        monkeypatch.setattr(module, "PIECE", 512)
    np.testing.assert_allclose(limit(noise, ceiling=0.5), whole, atol=1e-6)


def measure_distortion(sound, frequency):
    """(THD+N, the part of it that is over 50 Hz away from the tone), relative to the tone in dB."""
    seconds = np.arange(sound.size) / RATE
    waves = np.exp(2j * np.pi * frequency * seconds)
    waves = np.stack([waves.real, waves.imag], axis=1)
    fitted = waves @ np.linalg.lstsq(waves, sound)[0]
    rest = (sound - fitted) * np.hanning(sound.size) / np.sqrt(0.375)
    hz, power = np.fft.rfftfreq(sound.size, 1 / RATE), np.abs(np.fft.rfft(rest)) ** 2
    share = power[np.abs(hz - frequency) > 50].sum() / power.sum()
    distortion_db = decibels(np.linalg.norm(rest) / np.linalg.norm(fitted))
    return distortion_db, distortion_db + 10 * np.log10(share)


@pytest.mark.parametrize(("frequency", "most_db"), [(30, -38), (40, -60), (50, -90), (1000, -90)])
def test_how_much_a_steady_tone_is_distorted(frequency, most_db):
    """Limited by 6 dB; without its ends."""
    limited = limit(tone(frequency, 4.0), ceiling=0.5)[RATE:-RATE]
    distortion_db, _ = measure_distortion(np.float64(limited), frequency)
    print(f"\n{frequency} Hz, steady: THD+N {distortion_db:.1f} dB")
    assert distortion_db < most_db


@pytest.mark.parametrize("frequency", [100, 1000])
def test_how_much_sparse_peaks_distort_a_tone(frequency):
    """One period in each second is twice as loud, and limited by 6 dB; measured on the others."""
    clean, peaky = tone(frequency), tone(frequency)
    for second in range(10):
        start = round((second + 0.5) * RATE)
        peaky[start : start + RATE // frequency] *= 2
    limited = limit_peaks(clean, measure_peaks(peaky), factor=1.0, ceiling=1.0, sample_rate=RATE)
    whole_db, far_db = measure_distortion(limited.astype(np.float64), frequency)
    print(f"\n{frequency} Hz: THD+N {whole_db:.1f} dB, over 50 Hz away {far_db:.1f} dB")
    assert whole_db < -20 and far_db < -38


@pytest.mark.parametrize("name", ["loop_amen", "loop_mehackit1", "guit_em9", "misc_crow"])
def test_how_much_limiting_distorts_recordings(name):
    """Limited by 3 and by 6 dB: what is not the recording itself, scaled."""
    sound = np.float64(original(name).channels)
    for reduction_db in (3, 6):
        ceiling = measure_peaks(sound).max() * 10 ** (-reduction_db / 20)
        limited = limit(sound, ceiling=ceiling, rate=original(name).sample_rate)
        scaled = np.sum(limited * sound) / np.sum(sound**2) * sound
        rest_db = decibels(np.linalg.norm(limited - scaled) / np.linalg.norm(limited))
        print(f"\n{name}, by {reduction_db} dB: the rest has {rest_db:.1f} dB")
        assert rest_db < -12
