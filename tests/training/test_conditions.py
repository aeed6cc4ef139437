"""The conditions in which rendered phrases are recorded."""

import numpy as np
import pytest

from dreamsound_jax.training.datasets import conditions
from tests.helpers.sounds import tone


@pytest.mark.parametrize("record", [conditions.add_room_and_noise, conditions.record_anywhere])
def test_a_recording_has_the_length_of_the_sound_and_a_peak_of_1(record):
    sound, found = tone(frequency=440, seconds=0.5), []
    for seed in range(20):
        recorded = record(np.random.default_rng(seed), sound)
        assert recorded.shape == sound.shape and np.isfinite(recorded).all()
        assert np.abs(recorded).max() == pytest.approx(1)
        found.append(recorded.tobytes())
        again = record(np.random.default_rng(seed), sound)
        np.testing.assert_array_equal(again, recorded)
    assert len(set(found)) == 20


def test_a_companion_is_as_much_softer_as_it_is_said():
    sound, other = tone(frequency=440), 0.1 * tone(frequency=1000)
    mixed = conditions.mix(sound, other, level_db=-12.0)
    added = mixed - sound
    ratio = np.sqrt(np.mean(added**2) / np.mean(sound**2))
    assert 20 * np.log10(ratio) == pytest.approx(-12, abs=1e-6)
    np.testing.assert_array_equal(conditions.mix(sound, 0 * other, level_db=-12.0), sound)


def test_the_noise_becomes_darker_with_its_slope(monkeypatch):
    def measure_share_of_low_half(slope):
        monkeypatch.setattr(conditions, "NOISE_SLOPE", (slope, slope))
        noise = conditions._draw_noise(np.random.default_rng(0), 1 << 15)
        assert noise.std() == pytest.approx(1)
        power = np.abs(np.fft.rfft(noise)) ** 2
        return power[: power.size // 2].sum() / power.sum()

    white, pink, brown = map(measure_share_of_low_half, (0, 1, 2))
    assert white == pytest.approx(0.5, abs=0.02) and white < pink < brown
