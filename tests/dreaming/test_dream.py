import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.domains import domains
from dreamsound_jax.dreaming import ascent, dream
from dreamsound_jax.dreaming.dream import Settings
from dreamsound_jax.networks import loading, windows
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.tiny import CARD, tiny_network

SHAPE = (64, 64)
SETTINGS = Settings(layers=("relu3_1",), pyramid_size=2, num_iterations=3)

clips = functools.partial(tiny.clips, settings=SETTINGS)


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def spectrograms(count):
    return jnp.asarray(np.random.default_rng(1).normal(size=(count, *SHAPE)), jnp.float32)


def starts(batch):
    """A batch of spectrograms to dream on, as the reference does."""
    keys = jax.random.split(jax.random.key(1), len(batch))
    return domains.Mel(batch, jnp.zeros((len(batch), 1)), keys, CARD)


def test_a_clip_is_the_same_whatever_is_beside_it(network):
    batch = spectrograms(3)
    dreamed, climb = dream.dream(network, starts(batch), clips(3), settings=SETTINGS)
    others = batch.at[1:].set(batch[1:] * 0.3 + 1)
    beside, _ = dream.dream(network, starts(others), clips(3), settings=SETTINGS)
    np.testing.assert_array_equal(dreamed[0], beside[0])
    assert np.abs(dreamed[1] - beside[1]).max() > 0.1
    assert climb.objective.shape == climb.fault.shape == (3, 2, 3)
    assert (climb.objective[:, :, -1] > climb.objective[:, :, 0]).all()


def test_a_batch_agrees_with_single_dreams(network):
    batch, parameters = spectrograms(2), clips(2)
    together, _ = dream.dream(network, starts(batch), parameters, settings=SETTINGS)
    for row in range(2):
        one = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], (starts(batch), parameters))
        alone, _ = dream.dream(network, *one, settings=SETTINGS)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-3)


def test_one_program_a_level_and_clips_differ_without_a_new_one(network):
    dream.dream_batch_level.clear_cache()
    for learning_rate in (0.01, 0.02, 0.03):
        parameters = clips(1, learning_rate=learning_rate)
        dream.dream(network, starts(spectrograms(1)), parameters, settings=SETTINGS)
    assert dream.dream_batch_level._cache_size() == SETTINGS.pyramid_size


def test_weights_are_arguments_of_the_program(network):
    batch = spectrograms(1)
    lower = functools.partial(dream.dream_batch_level.lower, network, None, starts(batch))
    text = lower(clips(1), settings=SETTINGS, level=0).as_text()
    assert "tensor<3x3x4x4xf32>" in text
    constants = [line for line in text.splitlines() if "dense<" in line]
    assert constants
    assert max(map(len, constants)) < 2000


def test_the_roll_moves_the_dream_and_not_the_clip(network):
    """Without a step to take, rolling there and back leaves the clip where it was."""
    still = clips(1, learning_rate=0.0)
    batch = jnp.clip(spectrograms(1), -3, 3)
    same, _ = dream.dream(network, starts(batch), still, settings=SETTINGS)
    np.testing.assert_allclose(same, batch, atol=1e-6)


def test_detail_is_given_back_unless_told_otherwise(network):
    """Without a step to take, what the smaller level lost is all that can be missing."""
    batch = jnp.clip(spectrograms(1), -3, 3)
    still = clips(1, learning_rate=0.0)._replace(rolls=jnp.zeros((1, 2), int))
    without = dataclasses.replace(SETTINGS, replace_detail=False)
    coarse, _ = dream.dream(network, starts(batch), still, settings=without)
    expected = interpolate.resize(interpolate.resize(batch[0], (32, 32)), SHAPE)
    np.testing.assert_allclose(coarse[0], expected, atol=1e-6)
    half = still._replace(detail_factor=jnp.full(1, 0.5))
    between, _ = dream.dream(network, starts(batch), half, settings=SETTINGS)
    np.testing.assert_allclose(between[0], (expected + batch[0]) / 2, atol=1e-6)


def test_towards_raises_the_probability_of_a_class_and_away_lowers_it():
    network = loading.load().network
    batch = spectrograms(1)
    before = dream.class_probabilities(network, batch)[0]
    moved, target = {}, int(jnp.argsort(before)[-2])
    for direction in ("towards", "away"):
        settings = Settings(layers=("output",), pyramid_size=1, class_objective=direction)
        parameters = clips(1, settings=settings, target=target)
        dreamed, _ = dream.dream(network, starts(batch), parameters, settings=settings)
        moved[direction] = dream.class_probabilities(network, dreamed)[0, target]
    assert moved["away"] < before[target] < moved["towards"]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("shape", "layers", "smaller"),
    [
        ((128, 256), ("relu5_4", "output"), True),
        ((64, 100), ("linear1",), True),
        ((32, 20), ("output",), True),  # as long as 32 frames only when it is repeated
        ((128, 416), ("output",), False),
        ((64, 64), ("avgpool", "output"), False),
        ((64, 64), ("relu5_4",), False),
    ],
)
def test_a_network_prepared_for_a_shape_responds_the_same(shape, layers, smaller):
    network = tiny_network(dtype=jnp.float64)
    image = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    heard = interpolate.repeat_time(image, at_least=32)
    prepared = dream.prepared(network, shape, layers)
    kernels = [nnx.merge(*each).linear1.kernel[...].size for each in (network, prepared)]
    assert (kernels[1] < kernels[0]) == smaller
    found, plain = (windows.respond(each, heard, layers) for each in (prepared, network))
    for layer in layers:
        np.testing.assert_allclose(found[layer], plain[layer], rtol=1e-12, atol=1e-12)


def test_a_pyramid_too_deep_for_a_layer_is_refused(network):
    settings = Settings(layers=("relu1_1", "relu5_1"), pyramid_size=4)
    with pytest.raises(UserError, match="layer relu5_1 needs at least 16"):
        dream.dream(network, starts(spectrograms(1)), clips(1), settings=settings)


def test_a_deaf_network_stops_every_step(network):
    graphdef, state = network
    deaf = jax.tree.map(lambda leaf: leaf * 0 - 1, state)
    batch = spectrograms(1)
    dreamed, climb = dream.dream((graphdef, deaf), starts(batch), clips(1), settings=SETTINGS)
    assert (climb.fault == ascent.ZERO_GRADIENT).all()
    np.testing.assert_allclose(dreamed, batch, atol=1e-6)
