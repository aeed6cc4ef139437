"""Long spectrograms are measured window by window, as if at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import windows
from dreamsound_jax.networks.network import Architecture, Layer
from dreamsound_jax.objectives.measures import Function, Logits, LogProbability, MeanSquare
from dreamsound_jax.objectives.pictures import TotalVariation, Variations
from tests.helpers.tiny import CARD, tiny_network

BANDS, OWNED, WHOLE = 32, 64, 10**6


@jax.tree_util.register_static
class Small:
    """A network of three layers that compiles in no time, and reaches as far as it says."""

    architecture = Architecture(
        stages=(
            (Layer("fine", 2, (1, 1), reach=3), Layer("coarse", 2, (2, 4), reach=6)),
            (Layer("head", 5, (2, 4), reach=None),),
        ),
        class_layer="head",
    )

    def activations(self, spectrogram, layers):
        rows, frames = spectrogram.shape
        padded = jnp.pad(spectrogram, ((0, 0), (3, 3)))
        one, two, three, four = (padded[:, start : start + frames] for start in (0, 2, 5, 6))
        fine = jnp.stack([one + two - three, jnp.sin(one - 2 * four)], axis=2)
        cells = fine[: rows // 2 * 2, : frames // 4 * 4].reshape(rows // 2, 2, frames // 4, 4, 2)
        found = {"fine": fine, "coarse": jnp.tanh(cells).sum(axis=(1, 3))}
        found |= self.activations_after("coarse", found["coarse"], ("head",))
        return {name: found[name] for name in layers}

    def activations_after(self, layer, activation, layers):
        columns = np.arange(activation.shape[1])
        waves = np.cos(np.arange(1, 6)[:, None] * columns / columns.size)
        return {"head": jnp.einsum("fc,rck->f", waves, activation**2) / columns.size}


SMALL = Small()


def mean_squares(*names):
    return tuple(map(MeanSquare, names))


def spread(activations):
    """A function that is no sum over windows."""
    return sum(jnp.std(values) for values in activations.values())


LOCAL = mean_squares("fine", "coarse")
HEAD = (Logits("head"), LogProbability("head"), Function(spread, ("head",)))
JOINED = (Function(spread, ("fine",)), Function(spread, ("coarse", "fine", "head")))


@functools.partial(jax.jit, static_argnames=("measures", "owned", "circular"))
def measure(network, image, measures, *, owned, circular=False):
    """The value of each measure, and the gradient of all of them together.

    A clip of no more than twice `owned` frames is measured as a whole.
    """
    data = [2 if isinstance(each, LogProbability) else () for each in measures]
    data = [
        Variations(1.0, 2.0) if each == TotalVariation() else d for each, d in zip(measures, data)
    ]

    def total(image):
        values = windows.measure_response(
            network, image, measures, data, owned=owned, circular=circular
        )
        weigh = lambda value: jnp.vdot(jnp.cos(1 + jnp.arange(value.size)), value)  # noqa: E731
        return sum((1 + n) * weigh(value.ravel()) for n, value in enumerate(values)), values

    return jax.grad(total, has_aux=True)(image)


def spectrogram(frames):
    return jnp.asarray(np.random.default_rng(frames).normal(size=(BANDS, frames)))


def assert_same(found, expected):
    found, expected = (jax.tree.leaves(each) for each in (found, expected))
    for value, wanted in zip(found, expected, strict=True):
        most = np.abs(wanted).max()
        np.testing.assert_allclose(value, wanted, rtol=1e-10, atol=1e-10 * most)
        assert most > 0


def assert_same_in_windows(network, frames, measures):
    found, expected = (
        measure(network, spectrogram(frames), measures, owned=owned) for owned in (OWNED, WHOLE)
    )
    assert_same(found, expected)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("frames", [129, 1023])
@pytest.mark.parametrize(
    "measures",
    [LOCAL[:1], LOCAL[1:], HEAD, JOINED, LOCAL + HEAD + JOINED],
    ids=["fine", "coarse", "head", "joined", "all"],
)
def test_measures_in_windows_are_those_of_the_whole(frames, measures):
    assert_same_in_windows(SMALL, frames, measures)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_measures_of_vgg19_in_windows_are_those_of_the_whole():
    measures = mean_squares("conv1_1", "relu2_2", "mp2", "relu5_4", "mp5", "avgpool", "linear1")
    measures += (LogProbability("output"), Function(spread, ("relu3_1", "linear2", "output")))
    assert_same_in_windows(tiny_network(dtype="float64"), 705, measures)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("frames", [128, 129, 1023])
@pytest.mark.parametrize("measures", [LOCAL, HEAD + JOINED], ids=["local", "others"])
def test_a_loop_is_heard_in_windows_as_it_is_at_once(frames, measures):
    image = spectrogram(frames)
    found, expected = (
        measure(SMALL, image, measures, owned=owned, circular=True) for owned in (32, WHOLE)
    )
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("owned", [32, WHOLE])
def test_no_place_in_a_loop_is_special_to_the_network(owned):
    """Rolled by the stride, it responds as much, and its gradient is rolled; VGG19, too."""
    of_vgg19 = mean_squares("relu2_2", "relu5_4"), tiny_network(dtype="float64"), 16, 96
    total_variation = (TotalVariation(),)
    for measures, network, stride, frames in (
        (LOCAL + JOINED[:1], SMALL, 4, 100),
        of_vgg19,
    ):
        measures += total_variation
        image = spectrogram(frames)
        gradient, values = measure(network, image, measures, owned=owned, circular=True)
        rolled, same = measure(
            network, jnp.roll(image, stride, axis=1), measures, owned=owned, circular=True
        )
        assert_same(same, values)
        np.testing.assert_allclose(rolled, jnp.roll(gradient, stride, axis=1), atol=1e-12)
        padded, _ = measure(network, image, measures, owned=owned)
        assert np.abs(padded - gradient)[:, [0, -1]].max() > 1e-3 * np.abs(gradient).max()


@pytest.mark.usefixtures("x64")
def test_a_batch_is_measured_as_each_of_its_clips():
    batch, measures = jnp.stack([spectrogram(703), spectrogram(703)[::-1]]), LOCAL + HEAD
    together = jax.vmap(lambda image: measure(SMALL, image, measures, owned=OWNED))(batch)
    for row, image in enumerate(batch):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], together)
        assert_same(one, measure(SMALL, image, measures, owned=WHOLE))


def are_windows_used(measures, frames):
    """Whether the program is another one than that of the whole."""
    texts = {
        measure.lower(SMALL, spectrogram(frames), measures, owned=owned).as_text()
        for owned in (OWNED, WHOLE)
    }
    return len(texts) == 2


def test_only_a_long_clip_is_measured_in_windows():
    assert not are_windows_used(LOCAL + HEAD, 2 * OWNED)
    assert are_windows_used(LOCAL + HEAD, 2 * OWNED + 1)


def test_a_measure_of_the_spectrogram_alone_needs_no_network():
    class Mean:
        layers, sums_over_windows = (), False

        def __call__(self, activations, data, part=None):
            return activations[windows.SPECTROGRAM].mean() * data

    image = spectrogram(1000)
    (value,) = windows.measure_response(None, image, (Mean(),), (2.0,), owned=OWNED)
    assert value == pytest.approx(2 * float(image.mean()))


@pytest.mark.parametrize("name", ["conv1_1", "mp2", "relu5_4", "mp5"])
@pytest.mark.parametrize("frames", [1000, 1023, 1024, 5005])
def test_every_frame_is_owned_once_and_far_from_a_cut(name, frames):
    layer = CARD.architecture.layer(name)
    length, starts, firsts = windows.cut_windows(frames, layer, owned=OWNED)
    ends = np.append(firsts[1:], frames)
    assert starts[0] == firsts[0] == 0
    assert starts[-1] + length == frames
    assert not (np.stack([starts, firsts]) % layer.stride[1]).any()
    assert (ends > firsts).all()
    assert (firsts[1:] - starts[1:] >= layer.reach).all()
    assert (starts[:-1] + length - ends[:-1] >= layer.reach).all()


def memory_of_a_frame(measures, owned, frames=32_768):
    """Bytes that a clip of `frames` needs more than one of half, for each byte more of it."""
    few, many = (
        measure.lower(
            tiny_network(), jax.ShapeDtypeStruct((BANDS, count), jnp.float32), measures, owned=owned
        )
        .compile()
        .memory_analysis()
        .temp_size_in_bytes
        for count in (frames // 2, frames)
    )
    return (many - few) / (4 * BANDS * frames / 2)


@pytest.mark.slow
def test_a_longer_clip_needs_memory_for_little_more_than_its_own_frames():
    assert memory_of_a_frame(mean_squares("relu3_1"), WHOLE) > 12
    measures = (*mean_squares("relu1_2", "relu3_1"), LogProbability("output"))
    assert memory_of_a_frame(measures, 1024) < 3
