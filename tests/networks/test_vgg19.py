"""VGG19: its layers, shapes and geometry."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks.convolution import prepare_kernel
from dreamsound_jax.networks.vgg19 import CONV_LAYERS, LAYERS, VGG19, Convolution
from tests.helpers.tiny import tiny_network

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 48)), jnp.float32)

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all is left to XLA")


@pytest.fixture(scope="module")
def module():
    network = tiny_network()
    return nnx.merge(network.graph, network.weights)


def test_there_are_45_layers_in_the_order_of_the_network():
    assert len(LAYERS) == len(set(LAYERS)) == 45
    assert LAYERS[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "mp1")
    assert LAYERS[18] == "mp3"
    head = "mp5 avgpool linear1 reluC_1 dropout1 linear2 reluC_2 dropout2 output"
    assert LAYERS[36:] == tuple(head.split())


def test_it_returns_the_layers_asked_for_in_the_shapes_of_vgg19(module):
    shapes = {
        name: value.shape for name, value in jax.eval_shape(lambda x: module(x, LAYERS), X).items()
    }
    assert set(shapes) == set(LAYERS)
    assert shapes["conv1_1"] == (2, 32, 48, 4)
    assert shapes["mp2"] == (2, 8, 12, 8)
    assert shapes["relu5_4"] == (2, 2, 3, 32)
    assert shapes["mp5"] == (2, 1, 1, 32)
    assert shapes["avgpool"] == (2, 7, 7, 32)
    assert shapes["linear1"] == (2, 32)
    assert shapes["output"] == (2, 6)
    assert set(jax.eval_shape(lambda x: module(x, ("relu2_1", "mp1")), X)) == {"relu2_1", "mp1"}


def test_activations_before_and_after_a_relu_differ(module):
    activations = jax.jit(lambda x: module(x, ("conv3_2", "relu3_2")))(X)
    assert activations["conv3_2"].min() < 0
    np.testing.assert_array_equal(jnp.maximum(activations["conv3_2"], 0), activations["relu3_2"])


@pytest.mark.parametrize(("layer", "convolutions"), [("relu1_1", 1), ("mp2", 4), ("output", 16)])
def test_nothing_is_computed_past_the_deepest_layer(module, layer, convolutions, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")  # where all are XLA's
    text = str(jax.make_jaxpr(lambda x: module(x, ("conv1_1", layer)))(X))
    assert text.count("conv_general_dilated[") == convolutions
    assert text.count("dot_general[") == (5 if layer == "output" else 0)  # two of them pool


@on_cpu
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("side", [10, 40], ids=["product", "Winograd"])
def test_prepared_forms_of_a_kernel_are_used_and_change_nothing(side):
    layer = Convolution(64, 128, dtype=jnp.float64, rngs=nnx.Rngs(0))
    forms = prepare_kernel(np.asarray(layer.kernel[...]))
    x = np.random.default_rng(0).normal(size=(1, side, side, 64))

    @functools.partial(jax.jit, static_argnums=0)
    def run(graph, state):
        return jax.value_and_grad(lambda x: jnp.sum(jnp.sin(nnx.merge(graph, state)(x))))(x)

    def value_and_gradient(forms):
        layer.forms = nnx.Cache(forms)
        return run(*nnx.split(layer))

    for found, expected in zip(value_and_gradient(forms), value_and_gradient(None)):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    value, gradient = value_and_gradient(jax.tree.map(jnp.zeros_like, forms))
    assert value == 0
    assert side == 10 or not gradient.any()  # the gradient of a product reads the kernel itself


@on_cpu
def test_each_convolution_keeps_the_forms_of_its_own_kernel(module):
    for name in CONV_LAYERS:
        layer = getattr(module, name)
        expected = prepare_kernel(np.asarray(layer.kernel[...]))
        jax.tree.map(np.testing.assert_array_equal, layer.forms.get_value(), expected)


def test_width_1_is_vgg19():
    size_of = functools.partial(jax.tree.reduce, lambda total, leaf: total + leaf.size)
    model = nnx.eval_shape(lambda: VGG19(8, rngs=nnx.Rngs(0)))
    # torchvision's VGG19 has 143,667,240 weights: 3 channels in and 1000 classes.
    expected = 143_667_240 - 2 * 64 * 9 - 992 * 4097
    assert size_of(nnx.to_pure_dict(nnx.state(model, nnx.Param)), 0) == expected
