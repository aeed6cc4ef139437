"""Objectives that fade into each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips
from dreamsound_jax.dreaming.interpolation import mix_gradients, weigh_stops
from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives.interpolation import Interpolation, compile_interpolation
from dreamsound_jax.objectives.measures import MeanSquare
from dreamsound_jax.objectives.terms import layer, probability
from tests.helpers import tiny
from tests.helpers.climbs import noise
from tests.helpers.domains import mel_clips, spectrograms
from tests.helpers.tiny import CARD, tiny_network

STOPS = Interpolation((layer("conv1_2"), 2 * layer("relu2_2") + probability("class_1")))
PROGRAM = tiny.program(objective=STOPS.joined, pyramid_size=1, num_iterations=3)


def test_each_stop_fades_into_the_next():
    weights = weigh_stops(jnp.array([0.0, 2.0]), stops=3, frames=5)
    np.testing.assert_allclose(
        weights, [[1, 0.5, 0, 0, 0], [0, 0.5, 1, 0.5, 0], [0, 0, 0, 0.5, 1]], atol=1e-6
    )
    loop = weigh_stops(jnp.array([0.0, 2.0]), stops=2, frames=4, circular=True)
    np.testing.assert_allclose(loop, [[1, 0.5, 0, 0.5], [0, 0.5, 1, 0.5]], atol=1e-6)
    of_round = weigh_stops(jnp.array([1.25, 1.25]), stops=3, frames=2)
    np.testing.assert_allclose(of_round[:, 0], [0, 0.75, 0.25], atol=1e-6)
    np.testing.assert_array_equal(of_round[:, 0], of_round[:, 1])


def test_gradients_count_by_their_weights_whatever_their_size():
    one, other, x = (jnp.asarray(noise(seed), jnp.float32) for seed in range(3))
    weights = weigh_stops(jnp.array([0.0, 1.0]), stops=2, frames=x.shape[1])
    inside = jnp.arange(x.shape[0])[:, None] < jnp.where(jnp.arange(x.shape[1]) < 9, 12, 3)

    def hill(x):
        return jnp.stack([jnp.vdot(one, x), 1e-30 * jnp.vdot(other, jnp.where(x > 9, 0, x))])

    for cells in (None, inside):
        value, found = jax.value_and_grad(mix_gradients(weights, cells)(hill))(x)
        units = [
            each / np.sqrt(np.mean(np.square(each), where=True if cells is None else cells))
            for each in (one, other)
        ]
        expected = weights[0] * units[0] + weights[1] * units[1]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert value == pytest.approx(0.5 * float(jnp.vdot(one, x)), rel=1e-4)
    flat = mix_gradients(weights)(lambda x: jnp.stack([jnp.vdot(one, x), jnp.float32(3)]))
    np.testing.assert_allclose(jax.grad(flat)(x)[:, 0], one[:, 0] / one.std(), rtol=0.05)


def test_a_long_clip_is_mixed_window_by_window():
    network, x = tiny_network(), jnp.asarray(noise(0, (16, 160)), jnp.float32)
    measures = MeanSquare("conv1_1"), MeanSquare("conv1_2")
    weights = weigh_stops(jnp.array([0.0, 1.0]), stops=2, frames=160)

    @functools.partial(jax.jit, static_argnames="owned")
    def gradient(x, owned):
        def hill(x):
            return jnp.stack(measure_response(network, x, measures, ((), ()), owned=owned))

        return jax.grad(mix_gradients(weights)(hill))(x)

    np.testing.assert_allclose(gradient(x, 32), gradient(x, 1000), atol=1e-4)


def settings_of(count, stops, begin, end):
    data = [compile_interpolation(each, CARD, begin=begin, end=end)[1] for each in stops]
    how = tiny.settings(count, program=PROGRAM, objective=STOPS.joined, learning_rate=0.2)
    return how._replace(objective=jax.tree.map(lambda *leaves: np.stack(leaves), *data))


def dream(batch, how, program=PROGRAM):
    return dream_clips(tiny_network(), mel_clips(batch), how, program=program)


def test_at_its_stops_an_interpolation_dreams_by_them_alone():
    batch = spectrograms(1, (32, 48))
    for place, stop in enumerate(STOPS.stops):
        mixed, climb = dream(batch, settings_of(1, [STOPS], place, place))
        program = tiny.program(objective=stop, pyramid_size=1, num_iterations=3)
        how = tiny.settings(1, program=program, objective=stop, learning_rate=0.2)
        alone, climb_alone = dream(batch, how, program)
        np.testing.assert_allclose(mixed, alone, atol=2e-3)
        np.testing.assert_allclose(climb.objective, climb_alone.objective, rtol=1e-3)


def test_clips_with_other_stops_share_a_program_and_are_what_each_is_beside_its_like():
    others = [
        STOPS,
        Interpolation((3 * layer("conv1_2"), layer("relu2_2") - probability("class_5"))),
    ]
    batch = spectrograms(2, (32, 48))
    together, climb = dream(batch, settings_of(2, others, 0, 1))
    count = dream_level_of_clips._cache_size()
    for row, each in enumerate(others):
        alike, _ = dream(batch, settings_of(2, [each, each], 0, 1))
        np.testing.assert_array_equal(alike[row], together[row])
        assert np.abs(alike[1 - row] - together[1 - row]).max() > 0.01
    assert dream_level_of_clips._cache_size() == count
    assert (climb.fault == 0).all()
