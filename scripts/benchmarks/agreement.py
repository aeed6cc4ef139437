"""Whether two programs dream the same; only then is it of use to know which is faster.

Whole dreams are chaotic: in float32 rounding decides between cells that are all but equal, in
poolings and at the zero of a ReLU, and after some steps two right programs dream otherwise. So the
network is compared as it is timed, in float32, by one gradient; and the dream in float64, where two
right programs stay together, by the same steps with a narrow network.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import dreams, random_network
from dreamsound_jax.spectral.interpolate import nearest

NARROW = 1 / 16
FEW = 3  # steps at each level
GRADIENT = 1e-3  # of its largest value
DREAM = 1e-4  # dB


class DisagreementError(Exception):
    """A peer that computes something else: how long it takes says nothing."""


def check_gradients(task, peers):
    """Compares the gradients of the first spectrograms, at the smallest and the largest level.

    What rounding decides moves some cells of a gradient by a few per cent of its largest value, and
    all others by next to nothing; so the cell in the middle is looked at.

    Args:
      task: a `Task`.
      peers: {name: `Peer`}.

    Raises:
      DisagreementError: one is further off than `GRADIENT`.
    """
    spectrograms = np.asarray(task.starts.spectrogram)
    shapes = task.settings.level_shapes(spectrograms.shape[1:])
    for shape in (shapes[0], shapes[-1]):
        rows, columns = (nearest(side, out) for side, out in zip(spectrograms.shape[1:], shape))
        seen = spectrograms[:, rows][:, :, columns]
        own = dreams.gradient(task, seen)
        for name, peer in peers.items():
            off = np.median(np.abs(peer.gradient(task, seen) - own)) / np.abs(own).max()
            what = f"of the largest value of the gradient of {task.layer} at {shape}"
            _within(off, GRADIENT, name, what)


def check_dreams(context, layer, builders):
    """Compares whole dreams of the first two clips, in float64, with a narrow network.

    Args:
      context: a `Context`.
      layer: that is dreamed by.
      builders: {name: a function from a `Task` to a `Peer`}.

    Raises:
      DisagreementError: a cell of one is further off than `DREAM`.
    """
    steps = min(context.options.num_iterations, FEW)
    options = replace(context.options, precision="float64", num_iterations=steps)
    with jax.enable_x64(True):
        model = random_network.model(min(context.width, NARROW), dtype=jnp.float64)
        task = dreams.task(model, options, layer=layer, size=2)
        own = np.asarray(dreams.ours(task))
        for name, build in builders.items():
            off = np.abs(build(task).dream(task) - own).max() * model.card.std
            _within(off, DREAM, name, f"dB in a cell of a dream of {layer}")


def _within(off, most, name, what):
    if not off <= most:  # nor NaN
        raise DisagreementError(
            f"{name} and this project disagree by {off:.2g} {what}; accepted is {most:g}: nothing "
            "was timed"
        )
