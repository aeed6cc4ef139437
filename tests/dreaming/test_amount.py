"""How much of a dream is kept, and where a dream stops."""

import numpy as np
import pytest

import dreamsound_jax as ds
from tests.helpers import tiny
from tests.helpers.sounds import RATE, white_noise

OPTIONS = {"num_iterations": 8, "pyramid_size": 2, "seed": 3, "lr": 0.2}


def dream(**changes):
    options = {**OPTIONS, "layers_to_use": "relu2_1", **changes}
    return ds.dream(white_noise(RATE), RATE, tiny.tiny_model(), **options)


def test_an_amount_scales_the_gain_in_db():
    whole, half, none = (dream(amount=amount) for amount in (1, 0.5, 0))
    np.testing.assert_allclose(half.change_db, 0.5 * whole.change_db, atol=1e-3)
    assert np.abs(whole.change_db).max() > 3
    assert np.abs(none.change_db).max() == 0 and none.distance_db < 0.01
    assert half.distance_db < whole.distance_db


def test_an_amount_is_of_the_dream_at_its_strength():
    assert dream(strength=50).distance_db == pytest.approx(7, abs=0.2)
    half, whole = dream(strength=50, amount=0.5), dream(strength=50)
    np.testing.assert_allclose(half.change_db, 0.5 * whole.change_db, atol=1e-3)


def test_in_the_domain_mel_an_amount_is_a_mix():
    found, mixed = dream(domain="mel", amount=0.25), dream(domain="mel", mix=0.25)
    np.testing.assert_array_equal(found.sound, mixed.sound)


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_a_dream_stops_where_it_is_asked_to(domain):
    free = dream(domain=domain)
    wanted = 0.5 * free.distance_db
    stopped = dream(domain=domain, until=wanted)
    assert 0.8 * wanted < stopped.distance_db < 1.35 * wanted
    beyond = dream(domain=domain, until=2 * free.distance_db)
    np.testing.assert_array_equal(beyond.spectrogram_db, free.spectrogram_db)


def test_clips_of_a_batch_stop_by_themselves():
    sounds = [white_noise(RATE), np.sin(np.arange(RATE) / 20).astype(np.float32)]
    options = {**OPTIONS, "layers_to_use": "relu2_1", "until": 4.0}
    together = ds.dream(sounds, RATE, tiny.tiny_model(), **options)
    for sound, dreamed in zip(sounds[:1], together):
        alone = ds.dream(sound, RATE, tiny.tiny_model(), **options)
        np.testing.assert_allclose(alone.change_db, dreamed.change_db, atol=1e-3)
