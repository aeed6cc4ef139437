"""Training, folding and evaluating a small network."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training import loop
from dreamsound_jax.training.batch_norm import fold_batch_norms
from dreamsound_jax.training.evaluate import compute_accuracy, count_confusions
from dreamsound_jax.training.examples import Examples, measure_statistics
from dreamsound_jax.training.loop import train
from dreamsound_jax.training.recipe import Recipe
from tests.helpers.training import CARD, Recorder, train_briefly, two_classes, untrained_network

# Compiling the gradient of a whole network and its batch norms takes long.
pytestmark = pytest.mark.slow

EPOCHS = 12


@pytest.fixture(scope="module")
def trained():
    """A trained network, what a monitor recorded, and the front end with measured statistics."""
    examples = two_classes(96)
    front_end = measure_statistics(examples, FrontEnd())
    recipe = Recipe(windows=(32,) * EPOCHS, batch_size=16, learning_rate=3e-3)
    monitor = Recorder()
    options = {"front_end": front_end, "recipe": recipe, "monitor": monitor}
    return train(untrained_network(), examples, **options), monitor, front_end


def test_the_loss_falls(trained):
    _, monitor, _ = trained
    per_epoch = np.reshape(monitor.losses, (EPOCHS, 6)).mean(1)
    assert per_epoch[-1] < 0.7 * per_epoch[0]


def test_the_plain_network_classifies_new_clips(trained):
    model, _, front_end = trained
    network = loading.build_network(CARD, fold_batch_norms(model))
    counts = count_confusions(network, two_classes(60, seed=1), num_classes=2, front_end=front_end)
    accuracy, of_classes = compute_accuracy(counts)
    assert counts.sum(1).tolist() == [30, 30]
    assert accuracy > 0.85
    assert accuracy == pytest.approx(np.mean(of_classes))


class MeanClassifier(nnx.Module):
    """Its logits are the mean of what it is shown, and minus that."""

    def __init__(self):
        self.factor = nnx.Param(jax.numpy.ones(()))

    def __call__(self, spectrograms):
        mean = spectrograms.mean((1, 2)) * self.factor[...]
        return {"output": jax.numpy.stack([mean, -mean], axis=-1)}


@pytest.mark.parametrize("compression", ["db", "log1p", "log"])
def test_a_network_is_shown_in_training_what_its_card_says(compression, monkeypatch):
    monkeypatch.setattr(loop, "augment", lambda key, spectrogram: spectrogram)
    examples = two_classes(16)
    front_end = measure_statistics(examples, FrontEnd(compression=compression))
    recipe = Recipe(windows=(48,), batch_size=16, label_smoothing=0.0)
    monitor = Recorder()
    monitor.after_epoch = lambda epoch, model: None
    train(MeanClassifier(), examples, front_end=front_end, recipe=recipe, monitor=monitor)
    db = np.float64(examples.mel_db)
    shown = {
        "db": (db - front_end.mean) / front_end.std,
        "log1p": (np.log10(1 + 1e4 * 10 ** (db / 10)) - front_end.input_mean) / front_end.input_std,
        "log": (np.log(10 ** (db / 10) + 1e-6) - front_end.input_mean) / front_end.input_std,
    }[compression]
    mean = shown.mean((1, 2))
    expected = np.log1p(np.exp(np.where(examples.labels == 0, -2, 2) * mean)).mean()
    assert monitor.losses == pytest.approx([expected], rel=1e-5)


def test_clips_of_any_length_are_classified(trained):
    model, _, front_end = trained
    network = loading.build_network(CARD, fold_batch_norms(model))
    examples = [two_classes(40, seed=2, frames=frames) for frames in (20, 48, 300, 700)]
    mel_db = [clip for found in examples for clip in found.mel_db]
    mixed = Examples(mel_db, np.concatenate([found.labels for found in examples]))
    counts = count_confusions(network, mixed, num_classes=2, front_end=front_end)
    assert compute_accuracy(counts)[0] > 0.85


def test_the_folded_network_computes_what_the_trained_one_does(trained):
    model, _, _ = trained
    layers = ("conv1_1", "relu3_4", "conv5_4", "linear1", "output")
    spectrogram = np.random.default_rng(0).normal(size=(2, 32, 48)).astype(np.float32)
    model.eval()
    plain = loading.build_network(CARD, fold_batch_norms(model))
    networks = nnx.split(model), (plain.graph, plain.weights)
    expected, found = (compute_activations(network, spectrogram, layers) for network in networks)
    for layer in layers:
        scale = np.abs(expected[layer]).max()
        assert scale > 0
        np.testing.assert_allclose(found[layer], expected[layer], atol=1e-4 * scale, err_msg=layer)


def compute_activations(network, spectrogram, layers):
    graphdef, state = network
    return jax.jit(lambda state: nnx.merge(graphdef, state, copy=True)(spectrogram, layers))(state)


def test_the_monitor_gets_the_network_of_each_epoch(trained):
    model, monitor, _ = trained
    assert [epoch for epoch, _ in monitor.epochs] == list(range(1, EPOCHS + 1))
    kernels = [weights["conv3_2"]["kernel"] for _, weights in monitor.epochs]
    assert not np.array_equal(kernels[0], kernels[-1])
    np.testing.assert_array_equal(kernels[-1], fold_batch_norms(model)["conv3_2"]["kernel"])


def test_a_batch_must_not_be_larger_than_the_data_set():
    recipe = Recipe(batch_size=64)
    with pytest.raises(UserError, match="--batch_size must be at most 12, .*, got 64"):
        train(untrained_network(), two_classes(12), front_end=FrontEnd(), recipe=recipe)


def test_bfloat16_learns_too_and_keeps_float32_weights():
    recipe = Recipe(windows=(32,) * 6, batch_size=16, learning_rate=3e-3, precision="bfloat16")
    monitor = Recorder()
    options = {"front_end": CARD.front_end, "recipe": recipe, "monitor": monitor}
    model = train(untrained_network(), two_classes(96), **options)
    assert np.mean(monitor.losses[-6:]) < 0.9 * np.mean(monitor.losses[:6])
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(fold_batch_norms(model))}
    assert dtypes == {np.dtype("float32")}


def test_devices_share_a_batch():
    """Four devices compute the losses that one does, since batch norm sees the whole batch.

    The comparison is in float64, because Adam turns rounding errors of float32 into whole steps.
    """
    code = (
        "import jax; from tests.helpers import training; "
        "assert jax.local_device_count() == 4; monitor = training.Recorder(); "
        "training.train_briefly(monitor, precision='float64'); print(*monitor.losses)"
    )
    flags = "--xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    # The programs of this process are compiled so, too (see conftest.py).
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    monitor = Recorder()
    with jax.enable_x64(True):
        train_briefly(monitor, precision="float64")
    output, _ = process.communicate(timeout=300)
    assert len(monitor.losses) == 9
    np.testing.assert_allclose(np.float64(output.split()), monitor.losses, rtol=1e-5)
