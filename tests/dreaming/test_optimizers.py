"""Optimizers by name: their steps, hyperparameters and states."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.domains.mel import CLAMP
from dreamsound_jax.dreaming import ascent, gradients, optimizers
from dreamsound_jax.dreaming.dream import dream_clips
from dreamsound_jax.dreaming.optimizers import OPTIMIZERS, default_hyperparameters
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.climbs import ascend, hill, make_transform, noise
from tests.helpers.domains import mel_clips, spectrograms

# Optimizers that may share a program.
TOGETHER = tuple(name for name in OPTIMIZERS if name not in optimizers.SEARCHING)
ADJUSTABLE = tuple(name for name in OPTIMIZERS if default_hyperparameters(name))

steps64 = functools.partial(tiny.steps, dtype=np.float64)

TOTAL = 9
# Long steps overshoot; of short ones, signs alone would hardly tell. The norm of a standardised
# gradient is the same at each step, and how long it is remembered would make no difference.
PLAIN = {"learning_rate": 0.7, "smooth_gradient": False, "standardise_gradient": False}


def vary(name):
    """Hyperparameters of an optimizer, none with its default."""
    return {option: 0.7 * value + 0.05 for option, value in default_hyperparameters(name).items()}


def ascend_by(transform):
    return ascend(hill, jnp.asarray(noise()), transform, steps=TOTAL)[0]


@pytest.fixture(scope="module")
def together():
    """Clips that differ in how they are dreamed, in one program: {clip: (`Ascent`, `Climb`)}.

    Clips are named by their optimizer and their hyperparameters; of the clips (name, "standard")
    the gradient is smoothed and standardised, too.
    """
    asked = {(name, "standard"): steps64(name, optimizers=TOGETHER) for name in TOGETHER}
    for name in ADJUSTABLE:
        one_by_one = {option: {option: value} for option, value in vary(name).items()}
        for label, given in {"none": {}, "all": vary(name), **one_by_one}.items():
            how = {"optimizers": TOGETHER, "hyperparameters": given, **PLAIN}
            asked[name, label] = steps64(name, **how)

    def dream(steps):
        transform = optimizers.make_transform(TOGETHER, steps, total=TOTAL)
        return ascent.ascend(hill, jnp.asarray(noise()), transform, steps=TOTAL, bound=CLAMP)

    with jax.enable_x64(True):
        steps = jax.tree.map(lambda *leaves: np.stack(leaves), *asked.values())
        found = jax.tree.map(np.asarray, jax.jit(jax.vmap(dream))(steps))
    rows = {clip: row for row, clip in enumerate(asked)}
    return lambda *clip: jax.tree.map(lambda leaf: leaf[rows[clip]], found)


@pytest.mark.usefixtures("x64")
def test_hyperparameters_are_those_of_optax_and_may_differ_from_clip_to_clip(together):
    expected = jax.jit(
        lambda: {
            (name, label): ascend_by(OPTIMIZERS[name](PLAIN["learning_rate"], **given))
            for name in ADJUSTABLE
            for label, given in {"none": {}, "all": vary(name)}.items()
        }
    )()
    for clip, end in expected.items():
        found = together(*clip)[0].parameters
        np.testing.assert_allclose(found, end, atol=1e-9, err_msg=str(clip))
    for name in ADJUSTABLE:
        for option in vary(name):
            alone = together(name, option)[0].parameters
            assert np.abs(alone - expected[name, "none"]).max() > 0, (name, option)


@pytest.mark.usefixtures("x64")
def test_all_optimizers_climb_and_may_share_a_program(together):
    """Each ends as if it were alone, except for those that search, which share with none."""
    lowest = hill(jnp.asarray(noise())) + 1e-6
    for name in TOGETHER:
        end, climb = together(name, "standard")
        assert (climb.fault == ascent.HEALTHY).all(), name
        assert hill(end.parameters) > lowest, name

    def ascend_alone(name):
        return ascend_by(optimizers.make_transform([name], steps64(name), total=TOTAL))

    names = ("sgd", "adam", "adafactor", "lion", "novograd", "sm3")
    alone = jax.jit(lambda: [ascend_alone(name) for name in names])()
    for name, end in zip(names, alone):
        found = together(name, "standard")[0].parameters
        np.testing.assert_allclose(found, end, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("optimizer", "given", "hint"),
    [
        ("adamm", {}, "did you mean adam"),
        ("sgd", {"momentum": 0.5}, "--optimizer must be one of momentum, nesterov"),
        ("lbfgs", {"eps": 1e-3}, "the optimizer lbfgs has no such setting"),
    ],
)
def test_a_hyperparameter_that_an_optimizer_does_not_take_is_named(optimizer, given, hint):
    with pytest.raises(UserError, match=hint):
        optimizers.check_hyperparameters(optimizer, given)


def test_a_line_search_spends_steps():
    """Each evaluation of the objective counts; what exceeds the budget is not taken."""
    start = jnp.asarray(noise(), jnp.float32)
    # The step is far too long: the search has to halve it again and again.
    end, climb = ascend(hill, start, make_transform("lbfgs", 1e4, steps=8), steps=8)
    spent = np.diff(climb.evaluations, prepend=0)
    taken = np.flatnonzero(spent)
    assert (spent[taken] >= 2).all()
    assert climb.evaluations[-1] <= 8
    assert len(taken) <= 4
    assert (climb.fault == ascent.HEALTHY).all()
    _, plain = ascend(hill, start, make_transform("sgd", 0.05, steps=8), steps=8)
    np.testing.assert_array_equal(plain.evaluations, 1 + np.arange(8))


@pytest.mark.usefixtures("x64")
def test_lbfgs_finds_the_top_of_a_quadratic_hill():
    how = steps64("lbfgs", 1.0, smooth_gradient=False, standardise_gradient=False)
    transform = optimizers.make_transform(["lbfgs"], how, total=1)
    end, climb = ascend(hill, jnp.asarray(noise()), transform, steps=40)
    assert hill(end) > -1e-8
    assert (np.diff(climb.objective) >= 0).all()


def test_the_gradient_of_a_rolled_clip_is_smoothed_as_it_is_observed():
    gradient, roll = jnp.asarray(noise(), jnp.float32), 5
    rolled, plain = (
        optimizers.make_transform(["sgd"], tiny.steps(), total=3, roll=frames)
        for frames in (roll, 0)
    )
    moved, _ = rolled.update(gradient, rolled.init(gradient), gradient)
    observed = interpolate.roll_time(gradient, roll)
    expected, _ = plain.update(observed, plain.init(observed), observed)
    np.testing.assert_allclose(interpolate.roll_time(moved, roll), expected, atol=1e-5)


def test_smoothing_and_standardising_can_be_left_out():
    gradient = jnp.asarray(noise(), jnp.float32)

    @jax.jit
    def update(steps):
        transform = optimizers.make_transform(["sgd"], steps, total=1)
        return transform.update(gradient, transform.init(gradient), gradient)[0]

    for smooths, standardises in [(True, False), (False, True), (False, False)]:
        how = {"smooth_gradient": smooths, "standardise_gradient": standardises}
        expected = gradients.blur(gradient, 2.5) if smooths else gradient
        if standardises:
            expected = (expected - expected.mean()) / expected.std(ddof=1)
        found = -update(tiny.steps(learning_rate=1.0, **how))
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(how))


@pytest.mark.usefixtures("x64")
def test_states_are_carried_to_another_shape(together):
    """What a state remembers is resized; what it counts goes on counting."""
    end, _ = together(TOGETHER[0], "standard")
    check_carried(end.state, TOGETHER)


@pytest.mark.usefixtures("x64")
def test_the_state_of_a_line_search_is_carried_to_another_shape():
    transform = optimizers.make_transform(["lbfgs"], steps64("lbfgs"), total=TOTAL)
    end, _ = ascent.ascend(hill, jnp.asarray(noise()), transform, steps=TOTAL, bound=CLAMP)
    check_carried(end.state, ("lbfgs",))


def check_carried(old_state, names):
    large = jnp.asarray(noise(1, (32, 48)))
    steps = steps64(names[0], optimizers=names)
    transform = optimizers.make_transform(names, steps, total=TOTAL)
    fresh = transform.init(large)
    state = optimizers.carry_state(old_state, fresh, carry=True)
    shapes = [jax.tree.map(jnp.shape, each) for each in (state, fresh)]
    assert shapes[0] == shapes[1]
    assert state[1] == 0  # The schedule of the smoothing begins anew.
    again, _ = ascent.ascend(
        hill, large, transform, steps=TOTAL, bound=CLAMP, initial_state=lambda _: state
    )
    assert np.isfinite(again.parameters).all()
    kept = 0
    for old, new in zip(jax.tree.leaves(old_state[-1]), jax.tree.leaves(state[-1])):
        if old.shape == new.shape:
            np.testing.assert_array_equal(old, new)
        elif old.ndim == new.ndim == 2:
            np.testing.assert_allclose(new.mean(), old.mean(), atol=0.1 * np.abs(old).max())
            kept += bool(np.abs(new).max() > 0)
    assert kept >= len(names) // 2


@pytest.mark.parametrize(
    "names", [("momentum", "adafactor"), pytest.param(("lbfgs",), marks=pytest.mark.slow)]
)
def test_a_carried_state_matters_at_the_next_level(names):
    layers, asked = ("relu2_1",), [(name, carry) for name in names for carry in (True, False)]
    program = tiny.program(*layers, pyramid_size=2, num_iterations=8, optimizers=names)
    each = [tiny.steps(name, optimizers=names, carry_state=carry) for name, carry in asked]
    steps = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    settings = tiny.settings(len(asked), layers, program=program)._replace(
        steps=steps, rolls=jnp.tile(jnp.array([3, 7]), (len(asked), 1))
    )
    clips = mel_clips(jnp.repeat(spectrograms(1), len(asked), axis=0))
    ends, _ = dream_clips(tiny.tiny_network(), clips, settings, program=program)
    assert np.isfinite(ends).all()
    for carried, fresh in zip(ends[::2], ends[1::2]):
        assert np.abs(carried - fresh).max() > 1e-4
