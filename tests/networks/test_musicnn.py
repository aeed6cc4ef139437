"""The VGG of musicnn with few channels; tests/parity compares the shipped ones with TensorFlow."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming.batch import classify
from dreamsound_jax.networks import musicnn, windows
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.musicnn import BANDS, LAYERS, PATCH, POOLS
from dreamsound_jax.objectives.measures import Logits, LogProbability, MeanSquare
from dreamsound_jax.system.shipped import shipped

CLASSES, CHANNELS = 5, 3
WHOLE = 10**6


@functools.cache
def small_network(pools, *, dtype="float32"):
    """A network of `CHANNELS` channels, with seeded weights."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        narrow = {musicnn.CHANNELS: CHANNELS, 2 * musicnn.CHANNELS: 2 * CHANNELS}
        shape = tuple(narrow.get(side, side) for side in leaf.shape)
        return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))

    weights = jax.tree.map(draw, musicnn.weight_shapes(CLASSES))
    return musicnn.build_network(weights, CLASSES, pools=pools, dtype=jnp.dtype(dtype))


def draw(*shape):
    return jnp.asarray(np.random.default_rng(1).normal(size=shape))


def local_layers(network):
    stages = network.architecture.stages
    return [layer for stage in stages for layer in stage if layer.reach is not None]


@pytest.mark.parametrize("pools", POOLS)
def test_a_cell_depends_on_the_frames_that_it_reaches(pools):
    """A frame of NaN makes NaN of all cells that depend on it, and of no other.

    Of the frames from one column of the deepest layer to the next, each is tried.
    """
    network = small_network(pools)
    layers, frames = local_layers(network), 448
    period = layers[-1].stride[1]
    changed = frames // 2 + np.arange(period)
    blank = jnp.zeros((period, BANDS, frames)).at[np.arange(period), :, changed].set(jnp.nan)
    hear = jax.jit(jax.vmap(network.activations, (0, None)), static_argnums=1)
    activations = hear(blank, tuple(layer.name for layer in layers))
    for layer in layers:
        spoilt = np.isnan(activations[layer.name]).any(axis=(1, 3))
        trial, column = np.nonzero(spoilt)
        distance = np.abs(column * layer.stride[1] - changed[trial])
        assert distance.max() == layer.reach, layer


@pytest.mark.parametrize("pools", POOLS)
@pytest.mark.parametrize("frames", [PATCH, 300, 705])
def test_channels_rows_and_columns_are_those_of_the_activations(pools, frames):
    architecture = musicnn.architecture(CLASSES, pools=pools)
    weights = jax.tree.map(lambda leaf: np.zeros(leaf.shape), musicnn.weight_shapes(CLASSES))
    network = musicnn.build_network(weights, CLASSES, pools=pools)
    assert architecture == network.architecture and architecture.layers == LAYERS
    spectrogram = jax.ShapeDtypeStruct((BANDS, frames), jnp.float32)
    found = jax.eval_shape(lambda x: network.activations(x, LAYERS), spectrogram)
    for layer in local_layers(network):
        rows = 1 if layer.name == "pool5" else BANDS // layer.stride[0]
        assert found[layer.name].shape == (rows, layer.columns(frames), layer.channels), layer
    assert found["output"].shape == (CLASSES,)


@pytest.mark.parametrize("pools", POOLS)
def test_activations_after_a_layer_are_those_of_the_whole(pools):
    network, deeper = small_network(pools), ("relu4", "pool5", "output")
    spectrogram = draw(BANDS, 320)
    whole = jax.jit(lambda x: network.activations(x, LAYERS))(spectrogram)
    after = jax.jit(lambda x: network.activations_after("norm3", x, deeper))(whole["norm3"])
    assert set(after) == set(deeper)
    for name, values in after.items():
        assert np.abs(whole[name]).max() > 0
        np.testing.assert_allclose(values, whole[name], rtol=1e-5, atol=1e-5)


MEASURES = tuple(map(MeanSquare, ("conv1", "pool1", "relu3", "norm5", "pool5")))
MEASURES += (Logits("output"), LogProbability("output", multi_label=True))


@functools.partial(jax.jit, static_argnames="owned")
def measure(network, spectrogram, *, owned):
    """The gradient of all measures together, and the value of each."""
    data = [2 if isinstance(each, LogProbability) else () for each in MEASURES]

    def total(spectrogram):
        values = windows.measure_response(network, spectrogram, MEASURES, data, owned=owned)
        return sum((1 + n) * value.sum() for n, value in enumerate(values)), values

    return jax.grad(total, has_aux=True)(spectrogram)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("pools", POOLS)
def test_a_long_clip_in_windows_is_heard_as_the_whole(pools):
    network, spectrogram = small_network(pools, dtype="float64"), draw(BANDS, 1300)
    found, expected = (
        jax.tree.leaves(measure(network, spectrogram, owned=owned)) for owned in (256, WHOLE)
    )
    for value, wanted in zip(found, expected, strict=True):
        most = np.abs(wanted).max()
        np.testing.assert_allclose(value, wanted, rtol=1e-10, atol=1e-10 * most)
        assert most > 0


@pytest.mark.slow
@pytest.mark.parametrize("pools", POOLS)
def test_a_pass_shorter_than_a_patch_is_heard_as_repeated_to_one_patch(pools):
    network, short = small_network(pools), draw(BANDS, 50)
    found = classify(network, short[None])[0]
    patch, more = (
        jax.nn.sigmoid(network.activations(jnp.tile(short, 6)[:, :frames], ("output",))["output"])
        for frames in (PATCH, PATCH + 64)
    )
    np.testing.assert_allclose(found, patch, rtol=1e-5)
    assert np.abs(found - more).max() > 1e-3


def test_fewer_bands_are_enlarged_for_the_layers_from_pool5_on():
    network, image = small_network("mtt"), draw(BANDS // 2, PATCH)
    deep = network.activations(image, ("pool5", "output"))
    enlarged = network.activations(jnp.repeat(image, 2, axis=0), ("norm5", "pool5", "output"))
    for name in deep:
        np.testing.assert_allclose(deep[name], enlarged[name], rtol=1e-5, atol=1e-6)
    shallow = network.activations(image, ("norm5",))["norm5"]
    assert shallow.shape[0] == enlarged["norm5"].shape[0] // 2 > 0


def test_a_layer_with_wide_pools_is_reached_by_as_many_frames_as_its_pools_need():
    """The poolings of mtt overlap, so a column needs more frames than it advances."""
    for name in ("mtt", "msd"):
        architecture = read_card(shipped("checkpoints") / name).architecture
        for layer in (each for stage in architecture.stages for each in stage):
            if layer.reach is None:
                continue
            assert layer.columns(layer.least_frames) == 1
            assert layer.columns(layer.least_frames - 1) == 0
            heard = architecture.count_heard_frames(1, [layer.name])
            assert layer.columns(heard) >= 1
