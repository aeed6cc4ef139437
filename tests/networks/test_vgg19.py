import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import vgg19
from dreamsound_jax.networks.vgg19 import LAYERS, VGG19
from tests.helpers.tiny import tiny_network

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 48)), jnp.float32)


@pytest.fixture(scope="module")
def network():
    return nnx.merge(*tiny_network())


def test_there_are_45_layers_in_the_order_of_the_network():
    assert len(LAYERS) == len(set(LAYERS)) == 45
    assert LAYERS[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "mp1")
    assert LAYERS[18] == "mp3"
    head = "mp5 avgpool linear1 reluC_1 dropout1 linear2 reluC_2 dropout2 output"
    assert LAYERS[36:] == tuple(head.split())


def test_it_returns_what_is_asked_for_in_the_shapes_of_vgg19(network):
    shapes = {name: value.shape for name, value in network(X, LAYERS).items()}
    assert list(shapes) == list(LAYERS)
    assert shapes["conv1_1"] == (2, 32, 48, 4)
    assert shapes["mp2"] == (2, 8, 12, 8)
    assert shapes["relu5_4"] == (2, 2, 3, 32)
    assert shapes["mp5"] == (2, 1, 1, 32)
    assert shapes["avgpool"] == (2, 7, 7, 32)
    assert shapes["linear1"] == (2, 32)
    assert shapes["output"] == (2, 6)
    assert set(network(X, ("relu2_1", "mp1"))) == {"relu2_1", "mp1"}


def test_activations_before_and_after_a_relu_differ(network):
    activations = network(X, ("conv3_2", "relu3_2"))
    assert activations["conv3_2"].min() < 0
    np.testing.assert_array_equal(jnp.maximum(activations["conv3_2"], 0), activations["relu3_2"])


@pytest.mark.parametrize(("layer", "convolutions"), [("relu1_1", 1), ("mp2", 4), ("output", 16)])
def test_nothing_is_computed_past_the_deepest_layer(network, layer, convolutions):
    text = str(jax.make_jaxpr(lambda x: network(x, ("conv1_1", layer)))(X))
    # A convolution appears as itself, or on a tiny map as a product; the head adds its own.
    pieces = text.count("name=_convolve")
    assert pieces == convolutions
    assert ("(2, 6)" in text or "f32[2,6]" in text) == (layer == "output")


@pytest.mark.usefixtures("x64")
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all is left to XLA")
def test_kept_forms_of_kernels_are_used_and_change_nothing():
    plain = VGG19(2, width=0.25, dtype=jnp.float64, rngs=nnx.Rngs(0))
    keeping = nnx.clone(plain)
    keeping.keep_forms()
    x = np.random.default_rng(0).normal(size=(4, 64, 96))  # products, and Winograd's from conv4_1

    @functools.partial(jax.jit, static_argnums=0)
    @functools.partial(jax.grad, argnums=2)
    def of_x(graphdef, state, x):
        return jnp.sum(jnp.sin(nnx.merge(graphdef, state)(x, ("relu5_1",))["relu5_1"]))

    gradient = lambda network: of_x(*nnx.split(network), x)  # noqa: E731
    np.testing.assert_allclose(gradient(keeping), gradient(plain), atol=1e-12)
    for name in ("conv4_2", "conv5_1"):
        silent = nnx.clone(keeping)
        convolution = getattr(silent, name)
        convolution.forms = nnx.Cache(jax.tree.map(jnp.zeros_like, convolution.forms.get_value()))
        assert not jnp.any(gradient(silent)), name


def test_width_1_is_vgg19():
    size_of = functools.partial(jax.tree.reduce, lambda total, leaf: total + leaf.size)
    model = nnx.eval_shape(lambda: VGG19(8, rngs=nnx.Rngs(0)))
    # torchvision's VGG19 has 143,667,240 weights: 3 channels in and 1000 classes.
    expected = 143_667_240 - 2 * 64 * 9 - 992 * 4097
    assert size_of(nnx.to_pure_dict(nnx.state(model, nnx.Param)), 0) == expected


@pytest.mark.parametrize("layer", ["mp1", "relu3_1", "mp4", "relu5_4", "mp5"])
def test_smallest_side_is_the_least_that_reaches_a_layer(network, layer):
    def shape_at(side):
        return jax.eval_shape(lambda x: network(x, (layer,)), X[:, :side, :side])[layer].shape

    side = vgg19.smallest_side(layer)
    assert min(shape_at(side)) > 0
    assert min(shape_at(side - 1)) == 0


def test_of_equal_cells_the_first_gets_the_whole_gradient():
    tied = jnp.zeros((1, 4, 4, 1)).at[0, 3, 2].set(1.0).at[0, 3, 3].set(1.0)
    gradient = jax.grad(lambda x: vgg19.max_pool(x).sum())(tied)[0, ..., 0]
    expected = np.zeros((4, 4))
    expected[0, 0] = expected[0, 2] = expected[2, 0] = expected[3, 2] = 1
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize(("apart", "first"), [(2, 1), (20, 3)])
def test_cells_that_rounding_sets_apart_are_equal(apart, first):
    eps = np.finfo(np.float32).eps
    cells = jnp.asarray([[0.0, 1.0], [0.5, 1 + apart * eps]])[None, :, :, None]
    value, gradient = jax.value_and_grad(lambda x: vgg19.max_pool(x).sum())(cells)
    assert value == cells.max()
    np.testing.assert_array_equal(gradient.ravel(), np.arange(4) == first)


def test_max_pool_leaves_out_an_odd_last_row_and_column():
    x = jnp.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(vgg19.max_pool(x)[0, ..., 0], [[6, 8]])


@pytest.mark.parametrize("shape", [(1, 1), (4, 8), (7, 7), (10, 23)])
def test_average_pool_covers_cells_by_pytorchs_rule(shape):
    x = np.random.default_rng(1).normal(size=(1, *shape, 2))
    pooled = vgg19.adaptive_average_pool(jnp.asarray(x, jnp.float32))[0]
    for row in range(7):
        for column in range(7):
            rows, columns = (
                slice(cell * side // 7, int(np.ceil((cell + 1) * side / 7)))
                for cell, side in zip((row, column), shape)
            )
            expected = x[0, rows, columns].mean((0, 1))
            np.testing.assert_allclose(pooled[row, column], expected, atol=1e-6)
