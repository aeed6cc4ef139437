"""Channels, neurons, directions, classes, guides and penalties, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

import dreamsound_jax as ds
from dreamsound_jax import objectives
from dreamsound_jax.dreaming.batch import measure_clips
from dreamsound_jax.dreaming.dream import prepare_objective, respond
from dreamsound_jax.networks.windows import SPECTROGRAM
from dreamsound_jax.objectives.terms import compile_objective, evaluate
from dreamsound_jax.spectral.interpolate import roll_time
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.domains import spectrograms
from tests.helpers.sounds import RATE, white_noise
from tests.helpers.tiny import CARD, FRONT_END, tiny_network

RNG = np.random.default_rng(0)
CELLS = RNG.normal(size=(3, 5, 4))
LOGITS = np.array([0.3, -1.0, 2.0, 0.0, 0.5, -0.2])
PICTURE = RNG.normal(size=(6, 7))
ACTIVATIONS = {"relu1_1": jnp.array(CELLS), "output": jnp.array(LOGITS), SPECTROGRAM: PICTURE}


def value_of(objective):
    """The value for `ACTIVATIONS`; every channel of the tiny network's relu1_1 is there."""
    measures, data = compile_objective(objective, CARD, frames=5)
    return evaluate([m(ACTIVATIONS, each) for m, each in zip(measures, data.data)], data)


def respond_to(objective, image, *, original=None, roll=0):
    """The objective of an image, as a level of the pyramid has it."""
    program = tiny.program(objective=objective)
    _, data = compile_objective(objective, CARD, frames=image.shape[1])
    settings = tiny.settings(1, objective=objective, program=program)
    settings = jax.tree.map(lambda leaf: leaf[0], settings)._replace(objective=data)
    original = image if original is None else original
    ready = prepare_objective(tiny_network(), original, settings, program=program, roll=roll)
    return respond(tiny_network(), roll_time(image, roll), ready, program=program)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (objectives.channel("relu1_1", 2), CELLS[..., 2].mean()),
        (objectives.direction("relu1_1", [1, 0, -2, 0.5]), (CELLS @ [1, 0, -2, 0.5]).mean()),
        (objectives.neuron("relu1_1", 1, band=127, frame=0), CELLS[2, 0, 1]),
        (objectives.neuron("relu1_1", 1), CELLS[1, 2, 1]),
        (objectives.logit("class_4"), 0.5),
        (objectives.margin("class_4"), 0.5 - 2.0),
        (objectives.margin(2), 2.0 - 0.5),
        (objectives.channel("output", 2), 2.0),
    ],
)
def test_units_and_classes(objective, expected):
    assert value_of(objective) == pytest.approx(expected, rel=1e-5)


def test_penalties_are_of_the_spectrogram_and_the_input():
    image, original = spectrograms(2)
    changed = respond_to_each(
        {
            "time": objectives.total_variation(time=1, frequency=0),
            "frequency": objectives.total_variation(time=0, frequency=2),
            "near": objectives.stay_near(3),
            "spectrum": objectives.keep_spectrum(),
        },
        image,
        original=original,
    )
    change = np.asarray(image - original, float)
    assert changed["time"] == pytest.approx(np.abs(np.diff(image, axis=1)).mean(), rel=1e-4)
    assert changed["frequency"] == pytest.approx(
        2 * np.abs(np.diff(image, axis=0)).mean(), rel=1e-4
    )
    assert changed["near"] == pytest.approx(-3 * (change**2).mean(), rel=1e-4)
    assert changed["spectrum"] == pytest.approx(-(change.mean(axis=1) ** 2).mean(), rel=1e-3)


def respond_to_each(named, image, **keywords):
    """The values of penalties, each beside a layer, since an objective must depend on a network."""
    base = objectives.layer("relu1_1")
    without = respond_to(base, image, **keywords)
    found = {name: respond_to(base + each, image, **keywords) for name, each in named.items()}
    return {name: float(value - without) for name, value in found.items()}


def test_what_is_rolled_in_time_is_rolled_for_neurons_and_the_input_as_well():
    """Far from the ends, the cells of conv1_1 do not depend on how a clip is rolled."""
    image = spectrograms(1)[0]
    cells = np.asarray(tiny_network().activations(image, ("conv1_1",))["conv1_1"])
    row = int((20 + 0.5) / FRONT_END.n_mels * len(cells))
    for roll in (0, 17, 1000):
        neuron = respond_to(objectives.neuron("conv1_1", 3, band=20, frame=30), image, roll=roll)
        assert neuron == pytest.approx(float(cells[row, 30, 3]), rel=1e-5)
        near = respond_to_each({"": objectives.stay_near()}, image, roll=roll)[""]
        assert near == pytest.approx(0, abs=1e-5)


@pytest.fixture(scope="module")
def guide_sound():
    return white_noise(RATE)


@pytest.fixture(scope="module")
def heard_guide(guide_sound):
    peak = guide_sound / np.abs(guide_sound).max()
    return FRONT_END.standardise(FRONT_END.analyse(jnp.asarray(peak)))


def features_of(image, name="relu2_1"):
    return np.asarray(tiny_network().activations(image, (name,))[name], float)


@pytest.mark.parametrize("roll", [0, 40])
@pytest.mark.parametrize("power", [0, 1, 3])
def test_a_guide_is_compared_cell_by_cell(guide_sound, heard_guide, power, roll):
    image = heard_guide + 0.5 * spectrograms(1, heard_guide.shape)[0]
    guide = objectives.guide("relu2_1", guide_sound, RATE, power=power)
    own, other = (features_of(np.roll(each, roll, axis=1)) for each in (image, heard_guide))
    dot = (own * other).sum(axis=-1)
    lengths = np.linalg.norm(own, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = np.maximum(dot / np.maximum(lengths, 1e-8), 0.1)
    found = respond_to(guide, image, roll=roll)
    assert found == pytest.approx((dot * cosine**power).mean(), rel=1e-3)


def test_a_guide_may_be_compared_by_its_means_over_time(guide_sound, heard_guide):
    guide = objectives.guide("relu2_1", guide_sound, RATE, match="statistics", power=0)
    mixed = np.asarray(heard_guide)[:, np.random.default_rng(1).permutation(heard_guide.shape[1])]
    own, other = (features_of(each).mean(axis=1) for each in (mixed, heard_guide))
    assert respond_to(guide, jnp.asarray(mixed)) == pytest.approx(
        (own * other).sum(-1).mean(), 1e-3
    )


def test_the_texture_of_a_sound_is_how_often_each_feature_is_how_strong(guide_sound, heard_guide):
    texture = objectives.features("relu2_1", guide_sound, RATE)
    assert respond_to(texture, heard_guide) == pytest.approx(0, abs=1e-6)
    image = spectrograms(1, heard_guide.shape)[0]
    own, other = (
        np.sort(features_of(each).reshape(-1, 8), axis=0) for each in (image, heard_guide)
    )
    expected = -((own - other) ** 2).mean() / (other**2).mean()
    assert respond_to(texture, image) == pytest.approx(expected, rel=1e-3)


def test_a_guide_of_another_length_is_repeated_or_cut(guide_sound):
    frames = FRONT_END.frame_count(RATE)
    for wanted in (frames // 2, 3 * frames + 5):
        _, data = compile_objective(
            objectives.guide("relu1_1", guide_sound, RATE), CARD, frames=wanted
        )
        shown = data.data[0].features
        assert shown.shape == (FRONT_END.n_mels, wanted)
        np.testing.assert_array_equal(shown[:, frames:], shown[:, : max(0, wanted - frames)])


@pytest.mark.parametrize("name", ["time", "statistics"])
def test_a_silent_layer_gives_a_guide_no_gradient_that_is_not_a_number(guide_sound, name):
    guide = objectives.guide("relu2_1", guide_sound, RATE, match=name)
    silent = {"relu2_1": jnp.zeros((64, 55, 8))}
    measures, data = compile_objective(guide, CARD)
    features = jnp.ones((64, 8) if name == "statistics" else (64, 55, 8))
    prepared = data.data[0]._replace(features=features)
    slope = jax.grad(lambda x: measures[0](x, prepared))(silent)["relu2_1"]
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("objective", "hint"),
    [
        (
            objectives.channel("relu1_1", 4),
            "a channel of relu1_1 must be a whole number from 0 to 3",
        ),
        (objectives.channel("relu1_9", 0), "no layer 'relu1_9'"),
        (objectives.neuron("relu1_1", 0, band=128), "band of a neuron must be a whole number from"),
        (
            objectives.neuron("relu1_1", 0, frame=-1),
            "frame of a neuron must be a whole number from",
        ),
        (objectives.neuron("linear1", 3), "use channel(linear1, 3)"),
        (objectives.direction("relu1_1", [1, 2]), "must have 4 finite numbers"),
        (objectives.logit("clas_3"), "did you mean class_3?"),
        (objectives.margin(6), "no class 6"),
        (objectives.guide("relu1_1", "nowhere.wav"), "nowhere.wav"),
        (objectives.guide("relu1_1", np.zeros(999), RATE), "is silent"),
        (-objectives.total_variation() + objectives.stay_near(), "depends on the network"),
    ],
)
def test_what_is_not_possible_is_refused_in_one_line(objective, hint):
    with pytest.raises(UserError) as caught:
        compile_objective(objective, CARD, frames=50)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: objectives.guide("relu1_1", np.ones(9)),
        lambda: objectives.guide("relu1_1", "a.wav", power=-1),
        lambda: objectives.guide("relu1_1", "a.wav", match="tme"),
    ],
)
def test_a_guide_must_have_a_rate_a_power_and_a_way_to_match(make):
    with pytest.raises(UserError):
        make()


def test_a_dream_follows_a_guide_and_clips_of_other_channels_share_a_program(guide_sound):
    """Through the public function: a guided dream becomes more like its guide."""
    model, rate = tiny.tiny_model(), RATE
    tone = np.sin(2 * np.pi * 440 / rate * np.arange(rate)).astype(np.float32)
    options = {"num_iterations": 4, "pyramid_size": 2, "domain": "mel", "seed": 1}
    for objective in (
        objectives.guide("relu2_1", guide_sound, rate),
        objectives.features("relu2_1", guide_sound, rate),
        objectives.neuron("relu2_1", 2) + objectives.margin("class_2"),
        objectives.channel("relu2_1", 3)
        - 0.1 * objectives.total_variation()
        + objectives.stay_near(),
    ):
        made = ds.dream(tone, rate, model, objective=objective, **options)
        assert made.objective_after > made.objective_before
    assert made.plan.objective(None).label(CARD).startswith("channel 3 of relu2_1 - 0.1 total var")


def test_staying_near_keeps_a_dream_near():
    model, sound = tiny.tiny_model(), white_noise(RATE)
    options = {"num_iterations": 5, "pyramid_size": 1, "domain": "mel", "seed": 1}
    layer = objectives.layer("relu2_1")
    moved = [
        ds.dream(sound, RATE, model, objective=layer + weight * objectives.stay_near(), **options)
        for weight in (0, 1e3)
    ]
    assert moved[1].distance_db < 0.7 * moved[0].distance_db


def style_of(image, name="relu2_1"):
    cells = features_of(image, name).reshape(-1, 8)
    products = (cells.T @ cells).ravel()
    return products / np.linalg.norm(products)


def test_diversity_is_minus_the_mean_cosine_to_the_other_clips_whatever_fills_the_batch():
    batch = spectrograms(3)
    program = tiny.program(objective=objectives.diversity("relu2_1"))
    for rows in ([0, 1, 2], [0, 1, 2, 2], [2, 2, 0, 1]):
        images = batch[jnp.array(rows)]
        settings = tiny.settings(
            len(rows), objective=objectives.diversity("relu2_1"), program=program
        )
        found = measure_clips(tiny_network(), images, images, settings, program=program).objective
        styles = np.stack([style_of(each) for each in batch])
        cosines = styles @ styles.T
        expected = -(cosines.sum(axis=1) - 1) / 2
        np.testing.assert_allclose(found, expected[rows], rtol=1e-4)


@pytest.mark.slow
def test_diversity_drives_clips_apart():
    noises = [white_noise(RATE, seed=seed) for seed in range(3)]
    options = {"num_iterations": 4, "pyramid_size": 2, "domain": "mel", "seed": 1}
    alone = ds.dream(
        noises[0],
        RATE,
        tiny.tiny_model(),
        objective="layer(relu2_1) + diversity(relu2_1)",
        **options,
    )
    assert np.isfinite(alone.sound).all()
    made = ds.dream(noises, RATE, tiny.tiny_model(), objective="diversity(relu2_1)", **options)
    assert all(each.objective_after > each.objective_before for each in made)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["guide(relu3, {}) + margin(sitar)", "layer(pool5)"])
def test_networks_that_enlarge_or_need_wide_poolings_dream_by_any_terms(text, tmp_path):
    """mtt hears small levels enlarged for its head, and pool5 needs more than its stride."""
    soundfile.write(tmp_path / "guide.wav", white_noise(16000), 16000)
    options = {
        "num_iterations": 1,
        "domain": "mel",
        "objective": text.format(tmp_path / "guide.wav"),
    }
    made = ds.dream(white_noise(32000), 16000, ds.load_model("mtt"), **options)
    assert np.isfinite(made.sound).all() and np.isfinite(made.climb).all()


def test_a_longer_guide_counts_by_its_loudest_part_where_its_means_count():
    quiet = np.concatenate([np.zeros(3 * RATE), white_noise(RATE)])
    for objective, loud in (
        (objectives.guide("relu1_1", quiet, RATE), False),
        (objectives.guide("relu1_1", quiet, RATE, match="statistics"), True),
        (objectives.features("relu1_1", quiet, RATE), True),
    ):
        _, data = compile_objective(objective, CARD, frames=50)
        assert (np.std(data.data[0].features) > 0.1) == loud
