"""A level of the pyramid is dreamed as the reference does it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax import objectives
from dreamsound_jax.dreaming import ascent
from dreamsound_jax.dreaming.batch import classify
from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips, prepare_network
from dreamsound_jax.networks import loading
from dreamsound_jax.objectives.terms import compile_objective, custom, layer, probability
from dreamsound_jax.spectral.interpolate import repeat_time, resize_nearest
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.climbs import noise
from tests.helpers.domains import mel_clips, spectrograms
from tests.helpers.tiny import CARD, tiny_network

SHAPE = (64, 64)
PROGRAM = tiny.program("relu3_1", pyramid_size=2, num_iterations=3)
# A program that is compiled at once, where it does not matter what is dreamed.
SHALLOW = tiny.program("conv1_1", pyramid_size=2, num_iterations=2)

settings = functools.partial(tiny.settings, program=PROGRAM)
shallow_settings = functools.partial(tiny.settings, names=("conv1_1",), program=SHALLOW)


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def dream(network, batch, how, *, program=PROGRAM):
    """Dreams spectrograms (clips, mel bands, frames) in the domain "mel"."""
    return dream_clips(network, mel_clips(batch), how, program=program)


def stack_objectives(each, card=CARD):
    """The `ObjectiveData` of clips that differ in the data of their objectives."""
    data = [compile_objective(objective, card)[1] for objective in each]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *data)


def test_a_clip_is_the_same_whatever_is_beside_it(network):
    batch = spectrograms(3)
    dreamed, climb = dream(network, batch, settings(3))
    beside, _ = dream(network, batch.at[1:].set(batch[1:] * 0.3 + 1), settings(3))
    np.testing.assert_array_equal(dreamed[0], beside[0])
    assert np.abs(dreamed[1] - beside[1]).max() > 0.1
    assert climb.objective.shape == climb.fault.shape == (3, 2, 3)
    assert (climb.objective[:, :, -1] > climb.objective[:, :, 0]).all()


def test_clips_of_different_weights_and_classes_share_a_program_and_equal_single_dreams(network):
    mixed = [
        layer("relu2_2") + 5 * probability("class_1"),
        0.2 * layer("relu2_2") - 3 * probability("class_4"),
        layer("relu2_2") + 5 * probability("class_5"),
    ]
    program = tiny.program(objective=mixed[0], pyramid_size=1, num_iterations=3)
    how = tiny.settings(3, program=program, objective=mixed[0])
    how = how._replace(objective=stack_objectives(mixed))
    batch, before = jnp.repeat(spectrograms(1), 3, axis=0), dream_level_of_clips._cache_size()
    together, climb = dream(network, batch, how, program=program)
    assert dream_level_of_clips._cache_size() == before + 1
    for row in range(3):
        one = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], (batch, how))
        alone, climb_alone = dream(network, *one, program=program)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-3)
        np.testing.assert_allclose(climb_alone.objective[0], climb.objective[row], rtol=1e-4)
        assert np.abs(together[row] - together[row - 1]).max() > 0.1
    assert dream_level_of_clips._cache_size() == before + 2


@pytest.mark.parametrize("kind", ["channel", "neuron", "direction", "guide", "margin"])
def test_clips_of_mixed_objectives_are_what_each_is_beside_its_like(network, kind):
    """Bit for bit, in one program: numbers, places, vectors, guides and classes are data."""
    sounds = [np.random.default_rng(number).normal(size=22050) for number in range(3)]
    makers = {
        "channel": lambda number: objectives.channel("relu2_2", number),
        "neuron": lambda number: objectives.neuron("conv2_2", number, band=10 + number, frame=9),
        "direction": lambda number: objectives.direction("relu2_2", np.eye(8)[number]),
        "guide": lambda number: objectives.guide("relu2_2", sounds[number], 22050, power=number),
        "margin": lambda number: objectives.margin(number),
    }
    terms = [makers[kind](number) for number in range(3)]
    program = tiny.program(objective=terms[0], pyramid_size=1, num_iterations=2)
    how = tiny.settings(3, program=program, objective=terms[0])
    batch = spectrograms(3)
    mixed = how._replace(objective=stack_objectives(terms))
    together, _ = dream(network, batch, mixed, program=program)
    before = dream_level_of_clips._cache_size()
    for row, term in enumerate(terms):
        alike = how._replace(objective=stack_objectives([term] * 3))
        alone, _ = dream(network, batch, alike, program=program)
        np.testing.assert_array_equal(alone[row], together[row])
        assert np.abs(alone[row - 1] - together[row - 1]).max() > 0
    assert dream_level_of_clips._cache_size() == before


def test_each_level_is_one_program_whatever_the_learning_rate_is(network):
    before, sizes = dream_level_of_clips._cache_size(), []
    for learning_rate in (0.01, 0.02, 0.03):
        how = shallow_settings(1, learning_rate=learning_rate)
        dream(network, spectrograms(1), how, program=SHALLOW)
        sizes.append(dream_level_of_clips._cache_size())
    assert sizes[0] <= before + SHALLOW.pyramid_size
    assert sizes[1:] == sizes[:1] * 2


def test_weights_are_arguments_of_the_program(network):
    clips = mel_clips(spectrograms(1))
    lowered = dream_level_of_clips.lower(
        network, None, clips, settings(1), program=PROGRAM, level=0
    )
    text = lowered.as_text()
    assert "tensor<3x3x4x4xf32>" in text
    constants = [line for line in text.splitlines() if "dense<" in line]
    assert constants
    assert max(map(len, constants)) < 2000


def test_a_sum_of_layers_is_climbed_and_a_function_of_their_activations_is_the_same(network):
    def weigh(found):
        return jnp.mean(found["relu2_2"] ** 2) + 0.5 * jnp.mean(found["relu3_1"] ** 2)

    total = layer("relu2_2") + 0.5 * layer("relu3_1")
    batch, ends, climbs = spectrograms(1), [], []
    for objective in (total, custom(weigh, ["relu3_1", "relu2_2"])):
        program = tiny.program(objective=objective, pyramid_size=1, num_iterations=4)
        how = tiny.settings(1, program=program, objective=objective)
        end, climb = dream(
            network, batch, how._replace(rolls=jnp.zeros((1, 1), int)), program=program
        )
        ends.append(end)
        climbs.append(climb.objective[0, 0])
    found = jax.jit(lambda x: network.activations(x, ("relu2_2", "relu3_1")))(batch[0])
    assert climbs[0][0] == pytest.approx(float(weigh(found)), rel=1e-5)
    assert (np.diff(climbs[0]) > 0).all()
    np.testing.assert_allclose(climbs[1], climbs[0], rtol=1e-5)
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-3)


def test_any_function_of_activations_can_be_dreamed_of(network):
    """It may pull one channel up and another down, with a weight of its own."""

    def contrast(found):
        return found["relu1_2"][..., 1].mean() - found["relu1_2"][..., 0].mean()

    objective = -2 * custom(contrast, ["relu1_2"])
    program = tiny.program(objective=objective, pyramid_size=1, num_iterations=5)
    how = tiny.settings(1, program=program, objective=objective, learning_rate=0.2)
    batch = spectrograms(1)
    dreamed, climb = dream(network, batch, how, program=program)
    assert (np.diff(climb.objective[0, 0]) > 0).all()
    before, after = (
        contrast(network.activations(image, ("relu1_2",))) for image in (batch[0], dreamed[0])
    )
    assert after < before - 0.1


def test_the_roll_moves_the_dream_and_not_the_clip(network):
    """Without a step to take, rolling there and back leaves the clip where it was."""
    batch = jnp.clip(spectrograms(1), -3, 3)
    same, _ = dream(network, batch, shallow_settings(1, learning_rate=0.0), program=SHALLOW)
    np.testing.assert_allclose(same, batch, atol=1e-6)


def test_the_spectrogram_stays_within_3_standard_deviations(network):
    how = shallow_settings(1, learning_rate=10.0)
    dreamed, _ = dream(network, spectrograms(1), how, program=SHALLOW)
    assert (dreamed.min(), dreamed.max()) == (-3, 3)


def test_lost_detail_is_restored_as_far_as_it_is_asked_for(network):
    """Without a step to take, what the smaller level lost is all that can be missing."""
    batch = jnp.clip(spectrograms(1), -3, 3)
    how = shallow_settings(1, learning_rate=0.0)._replace(rolls=jnp.zeros((1, 2), int))
    without = dataclasses.replace(SHALLOW, replace_detail=False)
    coarse, _ = dream(network, batch, how, program=without)
    expected = resize_nearest(resize_nearest(batch[0], (32, 32)), SHAPE)
    np.testing.assert_allclose(coarse[0], expected, atol=1e-6)
    half = how._replace(detail_factor=jnp.full(1, 0.5))
    between, _ = dream(network, batch, half, program=SHALLOW)
    np.testing.assert_allclose(between[0], (expected + batch[0]) / 2, atol=1e-6)


def test_a_dream_moves_towards_a_class_or_away_from_it():
    card, network = loading.load_model("gm")
    target = card.classes.index("organ")
    objectives = [probability("organ"), -probability(target)]
    program = tiny.program(objective=objectives[0], card=card, pyramid_size=1)
    how = tiny.settings(2, program=program, objective=objectives[0], card=card)
    how = how._replace(objective=stack_objectives(objectives, card), rolls=jnp.zeros((2, 1), int))
    batch = jnp.repeat(spectrograms(1), 2, axis=0)
    dreamed, climb = dream(network, batch, how, program=program)
    heard = classify(network, jnp.concatenate([batch[:1], dreamed]))
    before, towards, away = np.asarray(heard[:, target])
    assert away < before < towards
    np.testing.assert_allclose(
        climb.objective[:, 0, 0], [np.log(before), -np.log(before)], rtol=1e-4
    )
    assert (climb.objective[:, 0, -1] > climb.objective[:, 0, 0]).all()


def test_away_as_in_the_reference_is_minus_the_log_probability():
    plan = tiny.plan(layers_to_use=("output",), class_objective="away", target_class_index=2)
    (clip,) = plan.clips
    measures, data = compile_objective(-probability("class_2"), CARD)
    assert clip.program().measures == measures
    found = clip.objective_data(clip.target)
    jax.tree.map(np.testing.assert_array_equal, found, data)
    assert (found.weights.tolist(), found.data) == ([-1.0], (2,))


@pytest.mark.usefixtures("x64")
def test_a_network_prepared_for_a_shape_is_smaller_and_responds_the_same():
    """The clip of 20 frames is as long as the network needs only when it is repeated."""
    network, layers = tiny_network(dtype="float64"), ("relu5_4", "output")
    prepared = check_smaller(network, (32, 20), layers)
    image = repeat_time(jnp.asarray(noise(shape=(32, 20))), frames=40)
    respond = jax.jit(lambda *networks: [each.activations(image, layers) for each in networks])
    found, plain = respond(prepared, network)
    for name in layers:
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("shape", "layer"), [((128, 256), "output"), ((64, 100), "linear1"), ((128, 64), "linear2")]
)
def test_the_head_of_a_network_prepared_for_a_shape_responds_the_same(shape, layer):
    network = tiny_network(dtype="float64")
    prepared = check_smaller(network, shape, (layer,))
    cells = jnp.asarray(noise(shape=(shape[0] // 32, shape[1] // 32, 32)))
    found, plain = (
        each.activations_after("mp5", cells, (layer,))[layer] for each in (prepared, network)
    )
    np.testing.assert_allclose(found, plain, rtol=1e-12, atol=1e-12)


def check_smaller(network, shape, layers):
    prepared = prepare_network(network, shape, tiny.program(*layers))
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(each)) for each in (network, prepared)]
    assert sizes[1] < sizes[0]
    return prepared


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((128, 416), ("output",)),
        ((64, 64), ("avgpool", "output")),
        ((64, 64), ("relu5_4",)),
    ],
)
def test_a_network_that_cannot_be_smaller_for_a_shape_stays_as_it_is(network, shape, layers):
    assert prepare_network(network, shape, tiny.program(*layers)) is network


def test_a_pyramid_too_deep_for_a_layer_is_refused(network):
    program = tiny.program("relu1_1", "relu5_1", pyramid_size=4)
    with pytest.raises(UserError, match="layer relu5_1 needs at least 16"):
        dream(network, spectrograms(1), None, program=program)


def test_a_network_that_responds_to_nothing_stops_every_step(network):
    deaf = jax.tree.map(lambda leaf: leaf * 0 - 1, network)
    program = tiny.program("relu1_2", pyramid_size=1, num_iterations=3)
    how = tiny.settings(1, ("relu1_2",), program=program)
    dreamed, climb = dream(deaf, spectrograms(1), how, program=program)
    assert (climb.fault == ascent.ZERO_GRADIENT).all()
    np.testing.assert_allclose(dreamed, spectrograms(1), atol=1e-6)
