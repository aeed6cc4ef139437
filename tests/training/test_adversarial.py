"""Adversarial changes of spectrograms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.adversarial import change_most, change_once, radius_of
from dreamsound_jax.training.batch_norm import PannsBatchNorm, fold_batch_norms
from dreamsound_jax.training.evaluate import compute_accuracy, count_confusions
from dreamsound_jax.training.examples import measure_statistics
from dreamsound_jax.training.loop import train
from dreamsound_jax.training.pipeline import check_robustness
from dreamsound_jax.training.recipe import Recipe
from tests.helpers.training import Recorder, two_classes

SHAPE = (3, 4, 5)
SIZE = {"channels": [4, 8, 8], "pools": 3, "multi_label": False, "bands": 32}


def spectrograms():
    return jax.random.normal(jax.random.key(0), SHAPE)


def norms(change):
    return np.sqrt(np.square(np.asarray(change)).sum((1, 2)))


def test_the_radius_is_the_norm_of_a_change_of_each_cell():
    assert float(radius_of(0.03, (7, 128, 64))) == pytest.approx(np.linalg.norm([0.03] * 8192))


def test_projected_ascent_ends_on_the_rim_where_a_straight_slope_leads():
    slope = jax.random.normal(jax.random.key(1), SHAPE)
    change = (
        change_most(lambda x: 7 * slope, spectrograms(), radius=jnp.float32(2)) - spectrograms()
    )
    expected = 2 * slope / norms(slope)[:, None, None]
    np.testing.assert_allclose(change, expected, atol=1e-5)


def test_projected_ascent_stops_at_a_summit_within_the_ball():
    summit = spectrograms() + 0.01

    def gradient(x):
        return (summit - x) * 1e-3

    change = change_most(gradient, spectrograms(), radius=jnp.float32(1)) - spectrograms()
    assert (norms(change) <= 1 + 1e-5).all() and (norms(change) < 0.9).all()


def test_a_single_step_follows_noise_of_up_to_two_radii():
    slope = jnp.ones(SHAPE)
    changes = [
        change_once(jax.random.key(seed), lambda x: slope, spectrograms(), radius=jnp.float32(0.5))
        - spectrograms()
        for seed in range(200)
    ]
    step = 0.5 * slope / norms(slope)[:, None, None]
    noise = np.concatenate([norms(change - step) for change in changes])
    assert noise.max() <= 1 + 1e-5 and noise.max() > 0.9 and noise.min() < 0.1
    assert noise.mean() == pytest.approx(0.5, abs=0.05)


def test_without_a_gradient_nothing_becomes_infinite():
    for change in (
        change_most,
        lambda *args, **opts: change_once(jax.random.key(0), *args, **opts),
    ):
        found = change(jnp.zeros_like, spectrograms(), radius=jnp.float32(0))
        np.testing.assert_allclose(found, spectrograms())


def test_a_training_that_collapses_is_stopped():
    check_robustness([0.1, 0.5, 0.6, 0.4], chance=1 / 16)
    check_robustness([0.09, 0.03], chance=1 / 16)
    with pytest.raises(UserError, match="fell from 60.0% to 20.0%: the training has collapsed"):
        check_robustness([0.1, 0.6, 0.2], chance=1 / 16)


@pytest.fixture(scope="module")
def listeners():
    """{size of the adversarial changes: (trained network, front end)}."""
    examples = two_classes(96)
    front_end = measure_statistics(examples, FrontEnd(n_mels=32))
    found = {}
    for epsilon in (0.0, 0.3):
        recipe = Recipe(windows=(32,) * 15, batch_size=16, learning_rate=3e-3, adversarial=epsilon)
        untrained = PannsBatchNorm(2, rngs=nnx.Rngs(0), **SIZE)
        model = train(untrained, examples, front_end=front_end, recipe=recipe, monitor=Recorder())
        found[epsilon] = model, front_end
    return found


@pytest.mark.slow
def test_a_folded_network_of_panns_computes_what_the_trained_one_does(listeners):
    model, front_end = listeners[0.0]
    card = Card("tiny", ("low", "high"), front_end, family="panns", size=SIZE)
    network = loading.build_network(card, fold_batch_norms(model))
    assert not network.architecture.multi_label
    spectrogram = jax.random.normal(jax.random.key(2), (2, 32, 48))
    model.eval()
    expected = model(spectrogram)["output"]
    found = [network.activations(each, ("output",))["output"] for each in spectrogram]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_a_network_trained_on_adversarial_changes_resists_them_better(listeners):
    clean, robust = {}, {}
    for epsilon, (model, front_end) in listeners.items():
        card = Card("tiny", ("low", "high"), front_end, family="panns", size=SIZE)
        network = loading.build_network(card, fold_batch_norms(model))
        options = {"front_end": front_end, "num_classes": 2}
        new = two_classes(60, seed=1)
        clean[epsilon] = compute_accuracy(count_confusions(network, new, **options))[0]
        changed = count_confusions(network, new, **options, adversarial=0.5)
        robust[epsilon] = compute_accuracy(changed)[0]
    assert min(clean.values()) > 0.85
    assert robust[0.3] > robust[0.0] + 0.1
