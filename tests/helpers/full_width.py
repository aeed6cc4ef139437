"""A full-width network with random weights, and a few numbers that say what it computes."""

import numpy as np

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.spectral.front_end import FrontEnd
from tests.helpers.sounds import DATA
from tests.helpers.torch_files import vgg19_arrays

CARD = Card("full", tuple("abcdefgh"), FrontEnd(mean=-24.0, std=17.0))
STORED = DATA / "torch_full_width.npz"
GRADIENTS = ("conv2_1", "relu3_4", "mp5", "output")
CORNER = 12


def arrays():
    """The state dict, float32, with torchvision's names."""
    return vgg19_arrays(loading.weight_shapes(CARD), seed=0)


def spectrogram():
    """An input (40, 72), float64."""
    return np.random.default_rng(1).normal(size=(40, 72))


def numbers(activations, gradients):
    """Mean, standard deviation and first numbers, of all layers and gradients.

    Args:
      activations: {layer: array of one clip, (channels, height, width) or (features,)}.
      gradients: {layer: the gradient of its sum of squares with respect to the input}.
    """
    found = dict(activations) | {f"{name} gradient": grad for name, grad in gradients.items()}
    return {
        name: np.array([array.mean(), array.std(), *array.ravel()[:CORNER]])
        for name, array in found.items()
    }
