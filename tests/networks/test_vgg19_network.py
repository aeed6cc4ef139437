"""VGG19 as a network: what it computes up to a layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import musicnn, vgg19_network
from dreamsound_jax.networks.network import Architecture
from dreamsound_jax.networks.vgg19 import LAYERS
from tests.helpers.tiny import CARD, random_weights, tiny_network

ARCHITECTURE = CARD.architecture
LOCAL = [layer for stage in ARCHITECTURE.stages for layer in stage if layer.reach is not None]


def draw(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


@jax.jit
def every_activation(network, spectrogram):
    return network.activations(spectrogram, LAYERS)


def test_the_layers_are_in_stages_from_shallow_to_deep():
    assert ARCHITECTURE.layers == LAYERS
    assert [stage[0].name for stage in ARCHITECTURE.stages] == [
        *(f"conv{stage}_1" for stage in range(1, 6)),
        "avgpool",
    ]
    assert ARCHITECTURE.stage_of("mp2") == ("conv2_1", "relu2_1", "conv2_2", "relu2_2", "mp2")
    assert ARCHITECTURE.stage_of("output")[0] == "avgpool"
    assert ARCHITECTURE.deepest(["output", "relu1_1"]).name == "output"
    assert ARCHITECTURE.last_local.name == "mp5"
    assert hash(ARCHITECTURE) == hash(tiny_network().architecture)
    assert tiny_network().architecture == ARCHITECTURE


def shapes_at(side, names):
    """The shapes of the activations of a square spectrogram."""
    spectrogram = jax.ShapeDtypeStruct((side, side), jnp.float32)
    found = jax.eval_shape(lambda x: tiny_network().activations(x, names), spectrogram)
    return {name: values.shape for name, values in found.items()}


def test_channels_and_strides_are_those_of_the_activations():
    shapes = shapes_at(64, LAYERS)
    for layer in (layer for stage in ARCHITECTURE.stages for layer in stage):
        *sides, channels = shapes[layer.name]
        assert channels == layer.channels
        assert layer.reach is None or sides == [64 // stride for stride in layer.stride]


@pytest.mark.parametrize("stride", [2, 8, 32])
def test_a_spectrogram_of_fewer_frames_than_the_stride_does_not_reach_a_layer(stride):
    names = tuple(layer.name for layer in LOCAL if layer.stride == (stride, stride))
    assert all(min(shape) > 0 for shape in shapes_at(stride, names).values())
    assert all(min(shape) == 0 for shape in shapes_at(stride - 1, names).values())


def test_a_cell_depends_on_the_frames_that_it_reaches():
    """A frame of NaN makes NaN of all cells that depend on it, and of no other.

    Of the frames from one column of the deepest layer to the next, each is tried.
    """
    frames, period = 512, LOCAL[-1].stride[1]
    changed = frames // 2 + np.arange(period)
    blank = jnp.zeros((period, 32, frames)).at[np.arange(period), :, changed].set(jnp.nan)
    activations = jax.jit(jax.vmap(tiny_network().activations, (0, None)), static_argnums=1)(
        blank, tuple(layer.name for layer in LOCAL)
    )
    for layer in LOCAL:
        spoilt = np.isnan(activations[layer.name]).any(axis=(1, 3))
        trial, column = np.nonzero(spoilt)
        distance = np.abs(column * layer.stride[1] - changed[trial])
        assert distance.max() == layer.reach, layer


def test_the_head_depends_on_the_whole_clip():
    assert all(layer.reach is None for layer in ARCHITECTURE.stages[-1])
    spectrogram = draw(32, 320)
    one, other = (
        every_activation(tiny_network(), each)["output"]
        for each in (spectrogram, spectrogram.at[:, :32].mul(-3))
    )
    assert not np.isclose(one, other).any()


def test_activations_after_a_layer_are_those_of_the_whole():
    network, spectrogram = tiny_network(), draw(32, 320)
    whole = every_activation(network, spectrogram)
    deeper = ("relu5_4", "linear2", "output")
    after = jax.jit(lambda x: network.activations_after("relu5_1", x, deeper))(whole["relu5_1"])
    assert set(after) == set(deeper)
    for name, values in after.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("shape", "layers", "smaller"),
    [
        ((128, 256), ("relu5_4", "output"), True),
        ((32, 70), ("linear1",), True),
        ((128, 416), ("output",), False),
        ((64, 64), ("avgpool", "output"), False),
        ((64, 64), ("relu5_4",), False),
    ],
)
def test_a_prepared_network_responds_the_same_and_the_given_one_is_unchanged(
    shape, layers, smaller
):
    network = tiny_network(dtype="float64")
    leaves = jax.tree.leaves(network)
    before = [np.array(leaf) for leaf in leaves]
    prepared = network.prepare(shape, layers)
    kernels = [each.weights["linear1"]["kernel"].get_value() for each in (network, prepared)]
    assert (kernels[1].size < kernels[0].size) == smaller
    assert (prepared is network) == (not smaller)
    assert network.pools
    for now, kept, was in zip(jax.tree.leaves(network), leaves, before, strict=True):
        assert now is kept
        np.testing.assert_array_equal(now, was)
    spectrogram = draw(*shape, dtype=jnp.float64)
    respond = jax.jit(lambda network: network.activations(spectrogram, layers))
    if smaller:
        found, expected = respond(prepared), respond(network)
        for name in layers:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_a_network_computes_in_the_type_of_its_weights(dtype, request):
    if dtype == "float64":
        request.getfixturevalue("x64")
    network = tiny_network(dtype=dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(network)} == {jnp.dtype(dtype)}
    kernel = network.weights["conv3_1"]["kernel"].get_value()
    np.testing.assert_array_equal(kernel, jnp.asarray(random_weights()["conv3_1"]["kernel"], dtype))
    shape = jax.ShapeDtypeStruct((32, 48), jnp.float32)
    found = jax.eval_shape(lambda x: network.activations(x, LAYERS), shape)
    assert {values.dtype for values in found.values()} == {jnp.dtype(dtype)}


def test_bfloat16_is_about_float32():
    spectrogram = draw(32, 48)
    half, single = (
        np.float32(every_activation(tiny_network(dtype=dtype), spectrogram)["output"])
        for dtype in ("bfloat16", "float32")
    )
    assert 0 < np.abs(half - single).max() < 0.05 * np.abs(single).max()


def test_probabilities_of_exclusive_and_of_independent_classes():
    logits = jnp.array([[0.0, jnp.log(3.0)], [5.0, 5.0]])
    exclusive, independent = (
        Architecture(ARCHITECTURE.stages, "output", multi_label=multi_label)
        for multi_label in (False, True)
    )
    np.testing.assert_allclose(exclusive.probabilities(logits), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(independent.probabilities(logits)[0], [0.5, 0.75], rtol=1e-6)


@pytest.mark.parametrize(
    ("frames", "vgg19", "patches"), [(20, 40, 187), (32, 32, 187), (200, 200, 200)]
)
def test_a_short_clip_is_repeated_whole_but_for_a_network_of_patches(frames, vgg19, patches):
    found = [
        described.count_heard_frames(frames, [described.class_layer])
        for described in (vgg19_network.architecture(16), musicnn.architecture(50))
    ]
    assert found == [vgg19, patches]
