"""Gradient steps climb, and a clip that is no longer finite stops alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.ndimage import correlate

from dreamsound_jax.dreaming import ascent, gradients
from tests.helpers.climbs import ascend, hill, make_transform, noise


def float32_noise(seed=0):
    return jnp.asarray(noise(seed), jnp.float32)


@pytest.mark.usefixtures("x64")
def test_blur_is_the_mean_of_three_gaussians_over_9_x_9_cells():
    blur = jax.jit(gradients.blur)
    rows, columns = np.mgrid[-4:5, -4:5]
    for sigma in (0.5, 1.7, 4.5):
        kernels = [np.exp(-(rows**2 + columns**2) / (2 * (s * sigma) ** 2)) for s in (0.5, 1, 2)]
        kernel = np.mean([k / k.sum() for k in kernels], axis=0)
        # SciPy's mirror is what others call reflect: the edge itself is not repeated.
        expected = correlate(noise(), kernel, mode="mirror")
        np.testing.assert_allclose(blur(jnp.asarray(noise()), sigma), expected, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_transform_smooths_more_each_step_then_standardises_then_scales():
    transform = make_transform(steps=7, learning_rate=0.02)
    gradient = jnp.asarray(noise())
    update, blur = jax.jit(transform.update), jax.jit(gradients.blur)
    state = transform.init(gradient)
    for step in range(7):
        updates, state = update(gradient, state, gradient)
        smooth = np.asarray(blur(gradient, 2 * (step + 1) / 7 + 0.5))
        expected = -0.02 * (smooth - smooth.mean()) / smooth.std(ddof=1)
        np.testing.assert_allclose(updates, expected, atol=1e-12)


def test_parameters_stay_within_a_bound_that_may_be_traced():
    start, transform = float32_noise(), make_transform(learning_rate=10.0)
    climb = jax.jit(lambda bound: ascend(hill, start, transform, steps=5, bound=bound)[0])
    for bound in (0.0, 0.5, 3.0, 7.0):
        end = climb(bound)
        assert (end.min(), end.max()) == (-bound, bound)


@pytest.mark.usefixtures("x64")
def test_the_gradient_at_what_is_observed_is_used_cell_by_cell():
    start = jnp.asarray(noise())

    def observe(parameters):
        return jnp.sin(3 * parameters[::-1])

    end, climb = ascend(hill, start, optax.sgd(0.7), steps=1, observe=observe, bound=9)
    np.testing.assert_allclose(end, start + 0.7 * jax.grad(hill)(observe(start)), atol=1e-12)
    np.testing.assert_allclose(climb.objective, [hill(observe(start))])


def test_a_tiny_gradient_still_moves():
    start, transform = float32_noise(), make_transform()
    climb = jax.jit(lambda size: ascend(lambda x: size * hill(x), start, transform, steps=3))
    end, climbed = climb(1e-30)
    full, _ = climb(1.0)
    assert (climbed.fault == ascent.HEALTHY).all()
    np.testing.assert_allclose(end, full, atol=1e-3)


def test_a_gradient_that_leads_nowhere_stops_that_clip_alone():
    """The slope of the last spoiled objective is 0 * infinity."""
    spoiled = [lambda x: 0 * x.sum(), lambda x: 5 * x.sum(), lambda x: jnp.sqrt(x.sum() * 0)]
    faults = [ascent.ZERO_GRADIENT, ascent.ZERO_GRADIENT, ascent.NON_FINITE_GRADIENT]
    clips = jnp.stack([float32_noise(seed) for seed in range(5)])

    def dream_one(x, which):
        def objective(y):
            values = [
                jnp.where(which == number, value(jnp.where(which == number, y, 1)), 0)
                for number, value in enumerate(spoiled)
            ]
            return jnp.where(which < 0, hill(y), sum(values))

        return ascend(objective, x, make_transform("adam"), steps=4)

    dream = jax.jit(jax.vmap(dream_one))
    healthy, _ = dream(clips, jnp.array([-1, -1, -1, -1, -1]))
    dreamed, climb = dream(clips, jnp.array([-1, 0, 1, 2, -1]))
    np.testing.assert_array_equal(climb.fault, np.repeat([[0], *[[f] for f in faults], [0]], 4, 1))
    np.testing.assert_array_equal(dreamed[1:4], clips[1:4])
    for beside in (0, 4):
        np.testing.assert_array_equal(dreamed[beside], healthy[beside])
    assert (healthy != clips).any((1, 2)).all()


def test_a_step_that_is_not_finite_is_not_taken():
    start = float32_noise()
    end, climb = ascend(hill, start, make_transform(learning_rate=jnp.inf), steps=3)
    np.testing.assert_array_equal(end, start)
    assert (climb.fault == ascent.NON_FINITE_GRADIENT).all()


def test_an_objective_that_overflows_stops_the_clip():
    start = float32_noise()
    end, climb = ascend(lambda x: hill(x) + jnp.inf, start, make_transform(), steps=2)
    np.testing.assert_array_equal(end, start)
    assert (climb.fault == ascent.NON_FINITE_GRADIENT).all()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ascent.ZERO_GRADIENT, "is zero: nothing there responds to this sound (choose another"),
        (ascent.NON_FINITE_GRADIENT, "overflows (choose a smaller --lr"),
    ],
)
def test_the_first_fault_of_a_clip_is_described(fault, reason):
    faults = np.zeros((2, 3), int)
    assert ascent.describe_fault(ascent.Climb(None, faults), ["relu1_1", "mp5"]) is None
    faults[1, 1:] = fault
    described = ascent.describe_fault(ascent.Climb(None, faults), ["relu1_1", "mp5"])
    stopped = "stopped at pyramid level 2, step 2: the gradient of relu1_1, mp5"
    assert described.startswith(f"{stopped} {reason}")


def test_any_optax_transformation_fits():
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5))
    climb = jax.jit(functools.partial(ascend, hill, transform=clipped, steps=20))
    start = float32_noise()
    assert hill(climb(start)[0]) > hill(start)
