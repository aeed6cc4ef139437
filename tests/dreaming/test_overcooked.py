import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming import overcooked
from dreamsound_jax.spectral import mel
from tests.helpers.sounds import RATE, recording, white_noise


def levels(sound):
    return mel.sound_to_mel_db(jnp.asarray(sound, jnp.float32))


def test_the_index_is_the_distance_that_levels_have_moved():
    """One band of two is 6 dB louder."""
    before = np.random.default_rng(0).uniform(-20, 0, (2, 50))
    after = before + np.array([[6.0], [0.0]])
    assert overcooked.index(after, before) == pytest.approx((6**4 / 2) ** 0.25, rel=1e-5)
    assert overcooked.index(after[:, ::-1], after) == 0
    assert overcooked.index(before + 6, before) == pytest.approx(6, rel=1e-5)
    inaudible = before - 100 * (np.arange(50) == 3)
    assert overcooked.index(inaudible - 30 * (np.arange(50) == 3), inaudible) == 0


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
    indices = [
        [float(overcooked.index(levels(each), levels(sound))) for each in kind]
        for kind in (harmless, spoiled)
    ]
    assert max(indices[0]) < min(indices[1]), indices


def test_settling_gives_back_the_levels_and_leaves_the_order():
    rng = np.random.default_rng(1)
    drained = rng.normal(-60, 25, (4, 200))
    reference = rng.normal(-20, 5, (4, 200))
    settled = overcooked.settle(drained, reference)
    assert overcooked.index(settled, reference) == 0
    assert np.array_equal(np.argsort(settled), np.argsort(drained))
    np.testing.assert_allclose(overcooked.settle(reference, reference), reference)
