import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming import ascent, gradients, optimizers
from dreamsound_jax.dreaming.dream import Settings, dream
from dreamsound_jax.dreaming.optimizers import OPTIMIZERS
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system.errors import UserError
from tests.dreaming.test_ascent import ascend, chain, hill, noise
from tests.dreaming.test_dream import spectrograms, starts
from tests.helpers import tiny

TOGETHER = tuple(name for name in OPTIMIZERS if name not in optimizers.SEARCHING)


def stacked(each):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if optimizers.hyper_defaults(name)])
def test_what_an_optimizer_takes_may_differ_from_clip_to_clip(name):
    """Each as if it were alone, with numbers that the program was compiled with."""
    start, defaults = jnp.asarray(noise()), optimizers.hyper_defaults(name)
    other = {flag: 0.7 * value + 0.05 for flag, value in defaults.items()}

    def climb(steps):
        return ascend(hill, start, optimizers.chain([name], steps, total=7), steps=7)[0]

    # Long steps, which overshoot: else signs alone would hardly tell. Of a standardised gradient
    # the norm is the same at each step, and how long it is remembered would make no difference.
    how = functools.partial(tiny.steps, name, 0.7, precision="float64", standardise_gradient=False)
    asked = [{}, other, *({flag: value} for flag, value in other.items())]
    each = [how(**hyper) for hyper in asked]
    ends = jax.jit(jax.vmap(climb))(stacked(each))
    np.testing.assert_allclose(ends[0], climb(each[0]._replace(hyper={})), atol=1e-9)
    np.testing.assert_allclose(ends[1], climb(each[1]), atol=1e-9)
    for flag, end in zip(other, ends[2:]):  # each is heeded by itself
        assert np.abs(end - ends[0]).max() > 0, flag


@pytest.mark.usefixtures("x64")
def test_all_optimizers_climb_and_may_share_a_program():
    """Each as if it were alone, but for those that search, which share with none."""
    start = jnp.asarray(noise())

    def climb(names, steps):
        return ascend(hill, start, optimizers.chain(names, steps, total=9), steps=9)

    how = functools.partial(tiny.steps, precision="float64")
    each = [how(name, names=TOGETHER) for name in TOGETHER]
    ends, climbs = jax.jit(jax.vmap(functools.partial(climb, TOGETHER)))(stacked(each))
    assert np.isfinite(ends).all()
    assert (climbs.fault == ascent.HEALTHY).all()
    for name, end in zip(TOGETHER, ends):
        assert hill(end) > hill(start) + 1e-6, name
    for name in ("sgd", "adam", "adafactor", "lion", "novograd", "sm3"):
        alone, _ = climb([name], how(name))
        np.testing.assert_allclose(ends[TOGETHER.index(name)], alone, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"optimizer": "adamm"}, "did you mean adam"),
        ({"optimizer": "sgd", "momentum": 0.5}, "accepted are momentum, nesterov"),
        ({"optimizer": "adam", "b1": 1.0}, "--b1=1.0: accepted are 0 and more, under 1"),
        ({"optimizer": "lbfgs", "eps": 1e-3}, "the optimizer lbfgs has none"),
    ],
)
def test_what_an_optimizer_does_not_take_is_named(changes, hint):
    with pytest.raises(UserError, match=hint):
        optimizers.check(tiny.options(**changes))


def test_a_line_search_spends_steps():
    """Each look at the objective counts; what is over the budget is not taken."""
    start, seen = jnp.asarray(noise(), jnp.float32), []

    def counted(x):
        jax.debug.callback(lambda: seen.append(1))
        return hill(x)

    lost = chain("lbfgs", 1e4, 8)  # far too long a step: the search has to halve it again and again
    end, climb = ascend(hill, start, lost, steps=8)
    taken = np.flatnonzero(np.diff(climb.spent, prepend=0))
    assert (np.diff(climb.spent, prepend=0)[taken] >= 2).all()
    assert climb.spent[-1] <= 8
    assert len(taken) <= 4
    assert (climb.fault == ascent.HEALTHY).all()
    _, plain = ascend(hill, start, chain("sgd", 0.05, 8), steps=8)
    np.testing.assert_array_equal(plain.spent, 1 + np.arange(8))


@pytest.mark.usefixtures("x64")
def test_lbfgs_finds_the_top_of_a_quadratic_hill():
    start = jnp.asarray(noise())
    end, climb = ascend(hill, start, unprepared("lbfgs", 1.0), steps=40)
    assert hill(end) > -1e-8
    assert (np.diff(climb.objective) >= 0).all()


def unprepared(name, learning_rate):
    """The optimizer, given the gradient as it is."""
    steps = tiny.steps(
        name,
        learning_rate,
        smooth_gradient=False,
        standardise_gradient=False,
        precision="float64",
    )
    return optimizers.chain([name], steps, total=1)


def test_a_clip_that_is_rolled_is_smoothed_as_it_is_seen():
    gradient, roll = jnp.asarray(noise(), jnp.float32), 5
    rolled, plain = (
        optimizers.chain(["sgd"], tiny.steps(), total=3, roll=frames) for frames in (roll, 0)
    )
    moved, _ = rolled.update(gradient, rolled.init(gradient), gradient)
    seen = interpolate.roll_time(gradient, roll)
    expected, _ = plain.update(seen, plain.init(seen), seen)
    np.testing.assert_allclose(interpolate.roll_time(moved, roll), expected, atol=1e-5)


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (False, False)])
def test_smoothing_and_standardising_can_be_left_out(wanted):
    smoothing, standardising = wanted
    steps = tiny.steps(
        learning_rate=1.0, smooth_gradient=smoothing, standardise_gradient=standardising
    )
    transform, gradient = optimizers.chain(["sgd"], steps, total=1), jnp.asarray(noise())
    update, _ = transform.update(gradient, transform.init(gradient), gradient)
    expected = gradients.blur(gradient, 2.5) if smoothing else gradient
    if standardising:
        expected = (expected - expected.mean()) / expected.std(ddof=1)
    np.testing.assert_allclose(-update, expected, atol=1e-5)


@pytest.mark.parametrize("names", [TOGETHER, ("lbfgs",)])
def test_a_state_goes_on_at_another_shape(names):
    """What it remembers is resized; what it counts goes on counting."""
    small, large = jnp.asarray(noise(), jnp.float32), jnp.asarray(noise(1, (32, 48)), jnp.float32)
    transform = optimizers.chain(names, tiny.steps(names[0], names=names), total=5)
    end, _ = ascent.ascend(hill, small, transform, steps=5)
    fresh = transform.init(large)
    state = optimizers.carried(end.state, fresh, wanted=True)
    shapes = [jax.tree.map(jnp.shape, each) for each in (state, fresh)]
    assert shapes[0] == shapes[1]
    assert state[1] == 0  # of the smoothing, whose schedule begins anew
    again, climb = ascent.ascend(hill, large, transform, steps=5, go_on=lambda _: state)
    assert np.isfinite(again.changed).all()
    kept = 0
    for old, new in zip(jax.tree.leaves(end.state[-1]), jax.tree.leaves(state[-1])):
        if old.shape == new.shape:
            np.testing.assert_array_equal(old, new)
        elif old.ndim == new.ndim == 2:
            np.testing.assert_allclose(new.mean(), old.mean(), atol=0.1 * np.abs(old).max())
            kept += bool(np.abs(new).max() > 0)
    assert kept >= len(names) // 2


@pytest.mark.parametrize(
    "optimizer", ["momentum", "adafactor", pytest.param("lbfgs", marks=pytest.mark.slow)]
)
def test_what_is_remembered_matters_at_the_next_level(optimizer):
    network, ends = tiny.tiny_network(), {}
    settings = Settings(
        layers=("relu2_1",), pyramid_size=2, num_iterations=8, optimizers=(optimizer,)
    )
    for state in optimizers.STATES:
        clips = tiny.clips(2, settings=settings, optimizer_state=state)
        ends[state], _ = dream(network, starts(spectrograms(2)), clips, settings=settings)
    assert np.isfinite(ends["carry"]).all()
    assert np.abs(ends["carry"] - ends["restart"]).max() > 1e-4
