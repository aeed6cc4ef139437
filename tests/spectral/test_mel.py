"""Mel filters equal librosa's."""

import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral import mel


def test_power_in_db_keeps_a_floor_below_its_maximum_and_goes_round():
    power = np.array([[1e-3, 1.0], [1e3, 1e-20]])
    db = mel.power_to_db(jnp.asarray(power), amin=1e-10, top_db=80.0)
    np.testing.assert_allclose(db, [[-30, 0], [30, -50]], atol=1e-5)
    np.testing.assert_allclose(mel.db_to_power(db), np.maximum(power, 1e-5), rtol=1e-5)
    assert (mel.power_to_db(jnp.zeros((2, 3)), amin=1e-10, top_db=80.0) == -100).all()


def test_peak_normalisation_leaves_silence():
    np.testing.assert_allclose(mel.peak_normalise(jnp.array([0.5, -2.0])), [0.25, -1])
    assert not mel.peak_normalise(jnp.zeros(5)).any()
