"""Distances between spectrograms, and how fast they change."""

import numpy as np
import pytest
import scipy.linalg

from dreamsound_jax.spectral import measures
from tests.helpers.sounds import RATE, recording, tone, white_noise


def raised(sound, db):
    """A sound whose upper half of frequencies is louder by `db`."""
    spectrum = np.fft.rfft(sound)
    spectrum[spectrum.size // 2 :] *= 10 ** (db / 20)
    return np.fft.irfft(spectrum, sound.size)


def test_distance_ignores_level_and_is_half_of_the_change_of_half_the_band():
    sound = white_noise(RATE)
    distance = measures.log_spectral_distance
    assert distance(sound, 0.01 * sound) < 1e-3
    for db in (6, -12):  # each half is half of it away from their mean
        assert distance(sound, raised(sound, db)) == pytest.approx(abs(db) / 2, rel=0.03)
    drums = recording("loop_amen")
    assert distance(drums, raised(drums, 6)) == pytest.approx(3, rel=0.03)
    assert distance(drums[:30001], drums) < 1


def test_distance_ignores_cells_80_db_below_the_loudest():
    sound = tone()
    hiss = 1e-6 * white_noise(sound.size)
    assert measures.log_spectral_distance(sound, sound + hiss) < 0.1
    assert measures.log_spectral_distance(sound, sound + 1e4 * hiss) > 5


def test_flatness_of_a_click_of_noise_and_of_a_sine():
    click = np.zeros(RATE)
    click[5000] = 1
    assert measures.spectral_flatness(click) == pytest.approx(1, abs=1e-3)
    # The power of noise is exponentially distributed: a geometric mean of exp(-Euler's constant).
    assert measures.spectral_flatness(white_noise(5 * RATE)) == pytest.approx(0.5615, abs=0.01)
    assert measures.spectral_flatness(tone()) < 1e-3
    # What is loud counts.
    assert measures.spectral_flatness(np.r_[tone(), 1e-3 * white_noise(5 * RATE)]) < 0.01


def test_levels_and_silence_are_measured_frame_by_frame():
    loud, frames = white_noise(RATE), RATE // 200
    assert measures.silent_share(np.r_[loud, 0 * loud]) == pytest.approx(0.5, abs=0.01)
    assert measures.silent_share(loud) == 0
    for db, share in ((-45, 0), (-60, 0.5)):
        sound = np.r_[loud, 10 ** (db / 20) * loud]
        assert measures.silent_share(sound) == pytest.approx(share, abs=0.01)
        levels = measures.frame_levels_db(sound)
        assert levels.max() == 0
        fallen = np.median(levels[frames + 5 :]) - np.median(levels[: frames - 5])
        assert fallen == pytest.approx(db, abs=0.1)


def test_high_share_is_of_the_energy_above_6_khz():
    low, high = (np.float32(tone(frequency=hz)) for hz in (1000.0, 8000.0))
    assert measures.high_share(low) < 0.001
    assert measures.high_share(low + 2 * high) == pytest.approx(0.8, abs=0.005)


def activations(mean, covariance, seed=0):
    """500 examples of just this mean and covariance."""
    drawn = np.random.default_rng(seed).normal(size=(500, len(mean)))
    drawn -= drawn.mean(0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn, rowvar=False))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_frechet_distance_of_known_normal_distributions():
    spreads, others = np.array([1.0, 2.0, 0.5]), np.array([1.5, 2.0, 3.0])
    one, shift = activations(np.zeros(3), np.diag(spreads**2)), np.array([1.0, 0.0, -2.0])
    two = activations(shift, np.diag(others**2), seed=1)
    expected = np.sum(shift**2) + np.sum((spreads - others) ** 2)
    assert measures.frechet_distance(one, two) == pytest.approx(expected)
    assert measures.frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    # Covariances that do not commute: by the symmetric form, and a matrix square root.
    rng = np.random.default_rng(2)
    first, second = (half @ half.T for half in rng.normal(size=(2, 3, 3)))
    root = scipy.linalg.sqrtm(first)
    expected = np.trace(first + second - 2 * scipy.linalg.sqrtm(root @ second @ root)).real
    sets = activations(shift, first), activations(shift, second, seed=1)
    assert measures.frechet_distance(*sets) == pytest.approx(expected)
