import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax import windows
from dreamsound_jax.objectives import response
from tests.tiny import tiny_network

BANDS, OWN = 32, 64
STAGES = ("conv1_1", "relu2_2", "mp2", "relu5_4")


def spectrogram(frames, dtype=jnp.float64):
    return jnp.asarray(np.random.default_rng(frames).normal(size=(BANDS, frames)), dtype)


def whole(network, spectrogram, layers):
    activations = nnx.merge(*network)(spectrogram[None], layers)
    return {layer: response(layer, values[0]) for layer, values in activations.items()}


def in_windows(network, spectrogram, layers, own=OWN):
    return windows.respond(network, spectrogram, layers, own=own)


@functools.partial(jax.jit, static_argnames=("look", "layers"))
def look_and_slope(network, image, layers, *, look):
    """Each layer's response, and the gradient of all of them together."""

    def total(image):
        responses = look(network, image, layers)
        weigh = lambda values: jnp.vdot(jnp.cos(1 + jnp.arange(values.size)), values)  # noqa: E731
        return sum(map(weigh, responses.values())), responses

    slope, responses = jax.grad(total, has_aux=True)(image)
    return responses | {"slope": slope}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        most = np.abs(wanted).max()
        np.testing.assert_allclose(found[name], wanted, rtol=1e-10, atol=1e-10 * most)
        assert most > 0


@pytest.mark.parametrize(
    ("frames", "layers"),
    [
        (300, ("conv1_1",)),
        (519, ("relu2_2",)),
        (519, ("mp2", "relu5_4")),
        (703, STAGES),
        (640, ("mp5",)),
        (705, ("mp5", "avgpool", "linear1")),
        (1023, ("relu3_4", "output")),
    ],
)
def test_windows_see_what_the_whole_does(x64, frames, layers):
    network, image = tiny_network(dtype=jnp.float64), spectrogram(frames)
    found = look_and_slope(network, image, layers, look=in_windows)
    assert_same(found, look_and_slope(network, image, layers, look=whole))
