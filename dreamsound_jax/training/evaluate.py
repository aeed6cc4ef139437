"""Evaluates a classifier on clips that it was not trained on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.networks.network import Network
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.training.adversarial import change_most, radius_of
from dreamsound_jax.training.examples import Examples, split_into_windows

WINDOW = 256  # Frames that the network hears at once, which are 2.6 seconds by the front end of gm.
BATCH_SIZE = 16  # Windows that are classified at once.


def count_confusions(
    network: Network,
    examples: Examples,
    *,
    front_end: FrontEnd,
    num_classes: int,
    window: int = WINDOW,
    adversarial: float = 0.0,
) -> np.ndarray:
    """Classifies whole clips and counts how often each class is taken for each other class.

    A clip's windows vote by their log-probabilities.

    Args:
      network: a classifier.
      examples: the clips and their true classes.
      front_end: of the network, which standardises its spectrograms.
      num_classes: the number of classes.
      window: frames that the network hears at once.
      adversarial: the size of adversarial changes of the windows, by projected gradient ascent, RMS
        in standard deviations; 0 leaves them as they are.

    Returns:
      Counts (classes, classes), the true class down, the predicted class across.
    """
    votes = np.zeros((len(examples), num_classes))
    for clips, windows in _batch_windows(examples, window):
        spectrograms = front_end.standardise(windows)
        if adversarial:
            labels = np.resize(examples.labels[clips], len(windows))
            spectrograms = _change(network, spectrograms, labels, adversarial)
        log_probabilities = _compute_log_probabilities(network, spectrograms)
        np.add.at(votes, clips, np.asarray(log_probabilities)[: len(clips)])
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (examples.labels, votes.argmax(1)), 1)
    return counts


def compute_accuracy(counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Computes accuracies from a confusion matrix.

    Returns:
      (accuracy over all clips, accuracies (classes,) of each class); a class without clips has NaN.
    """
    clips_of_class = counts.sum(1)
    with np.errstate(invalid="ignore"):
        return (
            float(np.trace(counts) / clips_of_class.sum()),
            np.diag(counts) / clips_of_class,
        )


@jax.jit
def _compute_log_probabilities(network, spectrograms):
    layer = network.architecture.class_layer

    def classify(spectrogram):
        return network.activations(spectrogram, (layer,))[layer]

    return jax.nn.log_softmax(jax.vmap(classify)(spectrograms).astype(jnp.float32))


@functools.partial(jax.jit, static_argnames="adversarial")
def _change(network, spectrograms, labels, adversarial):
    def compute_loss(spectrograms):
        log_probabilities = _compute_log_probabilities(network, spectrograms)
        return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).sum()

    radius = radius_of(adversarial, spectrograms.shape)
    return change_most(jax.grad(compute_loss), spectrograms, radius=radius)


def _batch_windows(examples, window):
    """Yields (numbers of clips, windows); the last batch is filled up by repeating a window."""
    clips, waiting = [], []
    for clip, mel_db in enumerate(examples.mel_db):
        windows = split_into_windows(mel_db, window)
        clips += [clip] * len(windows)
        waiting += list(windows)
        while len(waiting) >= BATCH_SIZE:
            yield clips[:BATCH_SIZE], np.stack(waiting[:BATCH_SIZE])
            clips, waiting = clips[BATCH_SIZE:], waiting[BATCH_SIZE:]
    if waiting:
        missing = BATCH_SIZE - len(waiting)
        yield clips, np.stack(waiting + [waiting[-1]] * missing)
