import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.dreaming import dream
from dreamsound_jax.networks import windows
from dreamsound_jax.networks.vgg19 import smallest_side
from dreamsound_jax.objectives.combine import response
from tests.helpers.tiny import tiny_network

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
        pytest.param(640, ("mp5",), marks=pytest.mark.slow),
        pytest.param(705, ("mp5", "avgpool", "linear1"), marks=pytest.mark.slow),
        (1023, ("relu3_4", "output")),
    ],
)
def test_windows_see_what_the_whole_does(x64, frames, layers):
    network, image = tiny_network(dtype=jnp.float64), spectrogram(frames)
    found = look_and_slope(network, image, layers, look=in_windows)
    assert_same(found, look_and_slope(network, image, layers, look=whole))


def test_a_batch_is_looked_at_as_each_of_its_clips(x64):
    network = tiny_network(dtype=jnp.float64)
    batch = jnp.stack([spectrogram(703), spectrogram(703)[::-1]])
    look = jax.vmap(functools.partial(look_and_slope, layers=STAGES, look=in_windows), (None, 0))
    together = look(network, batch)
    for row, image in enumerate(batch):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], together)
        assert_same(one, look_and_slope(network, image, STAGES, look=whole))


def test_class_probabilities_of_a_long_clip_are_those_of_the_whole(x64, monkeypatch):
    network = tiny_network(dtype=jnp.float64)
    batch = jnp.stack([spectrogram(1001), -spectrogram(1001)])
    of_whole = jax.nn.softmax(nnx.merge(*network)(batch)["output"])
    small = functools.partial(windows.respond, own=OWN)
    monkeypatch.setattr(dream.windows, "respond", small)
    found = jax.jit(dream.class_probabilities.__wrapped__)(network, batch)
    np.testing.assert_allclose(found, of_whole, rtol=1e-10)


@pytest.mark.parametrize("layer", ["conv1_1", "mp2", "relu5_4", "mp5"])
@pytest.mark.parametrize("frames", [1000, 1023, 1024, 5005])
def test_every_frame_is_owned_once_and_far_from_a_cut(layer, frames):
    length, starts, firsts = windows.cut(frames, layer, own=OWN)
    ends = np.append(firsts[1:], frames)
    assert starts[0] == firsts[0] == 0
    assert starts[-1] + length == frames
    assert not (np.stack([starts, firsts]) % smallest_side(layer)).any()
    assert (ends > firsts).all()
    reach = windows.reach(layer)
    assert (firsts[1:] - starts[1:] >= reach).all()
    assert (starts[:-1] + length - ends[:-1] >= reach).all()


@pytest.mark.parametrize("layers", [("relu3_1",), ("relu1_2", "output")])
def test_a_longer_clip_adds_no_more_than_its_own_frames(layers):
    def needed(frames, look):
        """Bytes for each byte of the clip that a clip of `frames` has more than one of half."""
        few, many = (
            look_and_slope.lower(
                tiny_network(), jax.ShapeDtypeStruct((BANDS, count), jnp.float32), layers, look=look
            )
            .compile()
            .memory_analysis()
            .temp_size_in_bytes
            for count in (frames // 2, frames)
        )
        return (many - few) / (4 * BANDS * frames / 2)

    assert needed(32_768, functools.partial(in_windows, own=1024)) < 3
    assert needed(32_768, whole) > 12


def test_a_short_clip_is_looked_at_as_a_whole():
    image = jax.ShapeDtypeStruct((BANDS, 2 * OWN), jnp.float32)
    text = [
        look_and_slope.lower(tiny_network(), image, STAGES, look=look).as_text()
        for look in (in_windows, whole)
    ]
    assert text[0] == text[1]
