"""How good a classifier is: what it says of clips that it never saw."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.training.examples import whole

WINDOW = 256  # frames that the network sees at once, 2.3 seconds
AT_ONCE = 16  # windows


def confusion(network, examples, *, mean, std, classes):
    """Names whole clips, dropout off; a clip's windows vote with their log-probabilities.

    Args:
      network: (graphdef, state) of a classifier, as `flax.nnx.split` gives it.
      examples: Examples.
      mean, std: in dB.
      classes: how many there are.

    Returns:
      Counts (classes, classes): the true class down, the class that was named across.
    """
    votes = np.zeros((len(examples), classes))
    for clips, windows in _windows(examples):
        said = _log_probabilities(network, (windows - mean) / std)
        np.add.at(votes, clips, np.asarray(said)[: len(clips)])
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (examples.labels, votes.argmax(1)), 1)
    return counts


@jax.jit
def _log_probabilities(network, spectrograms):
    model = nnx.merge(*network, copy=True)
    model.eval()
    return jax.nn.log_softmax(model(spectrograms)["output"].astype(jnp.float32))


def _windows(examples):
    """Yields (clip numbers, windows), always `AT_ONCE` windows, the last ones repeated."""
    clips, waiting = [], []
    for clip, mel_db in enumerate(examples.mel_db):
        windows = whole(mel_db, WINDOW)
        clips += [clip] * len(windows)
        waiting += list(windows)
        while len(waiting) >= AT_ONCE:
            yield clips[:AT_ONCE], np.stack(waiting[:AT_ONCE])
            clips, waiting = clips[AT_ONCE:], waiting[AT_ONCE:]
    if waiting:
        missing = AT_ONCE - len(waiting)
        yield clips, np.stack(waiting + [waiting[-1]] * missing)


def shares(counts):
    """(accuracy, that of each class) from a confusion matrix; NaN for a class without clips."""
    of_class = counts.sum(1)
    with np.errstate(invalid="ignore"):
        return float(np.trace(counts) / of_class.sum()), np.diag(counts) / of_class
