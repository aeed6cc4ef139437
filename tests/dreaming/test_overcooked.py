"""How much louder single cells are than the rest of a dream."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming.overcooked import match_levels, overcooked_index
from tests.helpers.sounds import RATE, recording, white_noise
from tests.helpers.tiny import FRONT_END

measure_db = jax.jit(FRONT_END.level_db)


def test_the_index_is_the_distance_that_levels_have_moved():
    before = np.random.default_rng(0).uniform(-20, 0, (2, 50))
    one_band_louder = before + np.array([[6.0], [0.0]])
    assert overcooked_index(one_band_louder, before) == pytest.approx((6**4 / 2) ** 0.25, rel=1e-5)
    assert overcooked_index(one_band_louder[:, ::-1], one_band_louder) == 0
    assert overcooked_index(before + 6, before) == pytest.approx(6, rel=1e-5)
    inaudible = before - 100 * (np.arange(50) == 3)
    assert overcooked_index(inaudible - 30 * (np.arange(50) == 3), inaudible) == 0


@pytest.mark.parametrize("name", ["ambi_choir", "loop_amen", "misc_crow"])
def test_it_tells_spoiled_sounds_from_harmless_changes(name):
    sound = recording(name)
    noise = white_noise(sound.size)
    loud = np.abs(sound) > np.quantile(np.abs(sound), 0.9)
    harmless = [sound[::-1], np.roll(sound, sound.size // 3), sound * 0.7]
    spoiled = [
        sound + noise * sound.std(),
        np.clip(30 * sound, -1, 1),
        np.where(np.convolve(loud, np.ones(500), "same") > 100, sound, 0),
        sound + sound.std() * np.sin(2 * np.pi * 7000 / RATE * np.arange(sound.size)),
    ]
    input_db = measure_db(jnp.float32(sound))
    indices = [
        [float(overcooked_index(measure_db(jnp.float32(each)), input_db)) for each in kind]
        for kind in (harmless, spoiled)
    ]
    assert max(indices[0]) < min(indices[1]), indices


def test_matching_levels_takes_those_of_the_reference_and_keeps_their_order():
    rng = np.random.default_rng(1)
    drained = rng.normal(-60, 25, (4, 200))
    reference = rng.normal(-20, 5, (4, 200))
    matched = match_levels(drained, reference)
    assert overcooked_index(matched, reference) == 0
    assert np.array_equal(np.argsort(matched), np.argsort(drained))
    np.testing.assert_allclose(match_levels(reference, reference), reference)
