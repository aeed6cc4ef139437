"""A tiny VGG19 with the same weights here and in PyTorch, in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.weights.torch_weights import convert_state_dict
from tests.helpers.tiny import CARD
from tests.helpers.torch_files import vgg19_arrays


@functools.cache
def make_pair():
    """Returns (network, state dict of tensors); skips the test where PyTorch is missing."""
    torch = pytest.importorskip("torch", reason="the oracle needs PyTorch")
    shapes = loading.weight_shapes(CARD)
    weights = vgg19_arrays(shapes, dtype=np.float64)
    converted = dict(convert_state_dict(weights, shapes, dtype=np.float64))
    with jax.enable_x64(True):
        network = loading.build_network(CARD, converted, dtype=jnp.float64)
    return network, {name: torch.tensor(array) for name, array in weights.items()}
