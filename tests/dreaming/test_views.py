"""Views of a step: what they are, and that a dream with them depends on its clip alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dreamsound_jax as ds
from dreamsound_jax.dreaming.views import Jitter, average_views, change_view
from tests.helpers import tiny
from tests.helpers.sounds import RATE, white_noise

KEY = jax.random.key_data(jax.random.key(5))
WHOLE = (32, 64)
IMAGE = jnp.asarray(np.random.default_rng(0).normal(size=WHOLE), jnp.float32)


def see(number, image=IMAGE, **changes):
    jitter = Jitter(KEY, **{"frames": 0.0, "bands": 0.0, "gain": 0.0, "noise": 0.0, **changes})
    return np.asarray(change_view(jax.random.key(number), image, jitter, whole=WHOLE))


def find_moves(axis, **changes):
    """By how many cells each of 40 views is moved along an axis: 0 in time, 1 in pitch."""
    moves = set()
    for number in range(40):
        seen = see(number, **changes)
        fits = [
            move
            for move in range(-12, 13)
            if np.array_equal(
                np.roll(IMAGE, move, axis=1 - axis)[12:-12, 12:-12], seen[12:-12, 12:-12]
            )
        ]
        assert len(fits) == 1
        moves |= {*fits}
    return moves


def test_views_are_rolled_and_shifted_by_up_to_the_jitter():
    assert find_moves(0, frames=3.0) == {-3, -2, -1, 0, 1, 2, 3}
    assert find_moves(1, bands=2.0) == {-2, -1, 0, 1, 2}
    shifted = see(3, bands=12.0)
    assert np.isin(shifted, IMAGE).all()


def test_a_coarse_level_moves_by_as_many_seconds_and_octaves_as_a_fine_one():
    coarse = IMAGE[::2, ::2]
    for number in range(20):
        seen = see(number, coarse, frames=2.0)
        assert any(np.array_equal(np.roll(coarse, move, axis=1), seen) for move in (-1, 0, 1))


def test_gain_and_noise_are_as_large_as_asked_for():
    gains = [see(number, gain=0.5) - IMAGE for number in range(40)]
    assert all(np.ptp(each) < 1e-5 for each in gains)
    assert 0.3 < max(each.mean() for each in gains) <= 0.5
    assert -0.5 <= min(each.mean() for each in gains) < -0.3
    assert (see(1, noise=0.2) - IMAGE).std() == pytest.approx(0.2, rel=0.1)


def test_a_step_follows_the_mean_over_its_views_and_each_step_draws_its_own():
    jitter = Jitter(KEY, frames=5.0, bands=0.0, gain=0.0, noise=0.0)
    at_step = average_views(jitter, count=3, whole=WHOLE, level=0)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=WHOLE), jnp.float32)

    def hill(image):
        return (weights * image).sum()

    gradients = [np.asarray(jax.grad(at_step(hill, number))(IMAGE)) for number in (0, 1)]
    assert not np.array_equal(*gradients)
    rolled = [np.roll(weights, move, axis=1) for move in range(-5, 6)]
    means = [
        np.mean([rolled[a], rolled[b], rolled[c]], axis=0)
        for a in range(11)
        for b in range(a, 11)
        for c in range(b, 11)
    ]
    for gradient in gradients:
        assert min(np.abs(mean - gradient).max() for mean in means) < 1e-5


OPTIONS = {"num_iterations": 3, "pyramid_size": 2, "domain": "mel", "seed": 4, "views": 2}


@pytest.mark.slow
def test_a_dream_with_views_is_the_same_alone_and_in_a_batch():
    """Each clip of a batch has views of its own."""
    sounds = [white_noise(RATE, seed=seed) for seed in range(2)]
    dream = functools.partial(ds.dream, sample_rate=RATE, model=tiny.tiny_model(), **OPTIONS)
    together = dream([sounds[0], sounds[0]])
    alone = dream(sounds[0])
    np.testing.assert_allclose(alone.spectrogram_db, together[0].spectrogram_db, atol=1e-3)
    assert np.abs(together[0].spectrogram_db - together[1].spectrogram_db).max() > 0.1
    plain = ds.dream(sounds[0], RATE, tiny.tiny_model(), **{**OPTIONS, "views": 1})
    assert np.abs(plain.spectrogram_db - alone.spectrogram_db).max() > 0.1


def test_jitters_are_data_and_the_number_of_views_is_not():
    swept = tiny.plan(sweep={"jitter_gain": (1.0, 2.0)}, views=2).clips
    assert swept[0].static == swept[1].static
    assert tiny.plan(views=2).clips[0].jitter == (8, 1, 3, 0.1)
    assert tiny.plan(views=3).clips[0].static != tiny.plan(views=2).clips[0].static
    assert tiny.plan().clips[0].jitter is None
    assert tiny.plan(jitter_time=5.0).clips[0].jitter == (5, 0, 0, 0)
