"""A small network, two easy classes of spectrograms, and short training runs."""

import contextlib

import numpy as np
from flax import nnx

from dreamsound_jax.networks.card import Card
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.training.batch_norm import VGG19BatchNorm, fold_batch_norms
from dreamsound_jax.training.examples import Examples
from dreamsound_jax.training.loop import Monitor, train
from dreamsound_jax.training.recipe import Recipe

CARD = Card(
    "tiny",
    ("low", "high"),
    FrontEnd(mean=-30.0, std=17.0),
    size={"width": 1 / 16, "hidden": 8},
)


def two_classes(count, seed=0, frames=48):
    """Returns noise with a loud band, which is low in class 0 and high in class 1."""
    rng = np.random.default_rng(seed)
    mel_db = rng.normal(-40, 5, (count, 32, frames))
    labels = np.arange(count) % 2
    for clip, label in zip(mel_db, labels):
        lowest = rng.integers(2, 10) + 16 * label
        clip[lowest : lowest + 4] += 40
    return Examples(mel_db.astype(np.float16), labels)


def untrained_network():
    return VGG19BatchNorm(2, rngs=nnx.Rngs(0), **CARD.size)


class Recorder(Monitor):
    """Records the losses of all steps, and the folded weights after each epoch."""

    def __init__(self):
        self.losses, self.epochs = [], []

    def close(self):
        """Does nothing; a TrainingMonitor has this method, too."""

    def after_step(self, done, state, loss, accuracy):
        self.losses.append(float(loss))

    def after_epoch(self, epoch, model):
        self.epochs.append((epoch, fold_batch_norms(model)))


def train_briefly(monitor, precision="float32"):
    """Trains for three epochs of three steps, and returns the folded weights."""
    recipe = Recipe(windows=(32,) * 3, batch_size=8, learning_rate=3e-3, precision=precision)
    options = {"front_end": CARD.front_end, "recipe": recipe, "monitor": monitor}
    with contextlib.closing(monitor):
        return fold_batch_norms(train(untrained_network(), two_classes(25), **options))
