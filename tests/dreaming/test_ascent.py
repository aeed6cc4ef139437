import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.ndimage import correlate

from dreamsound_jax.dreaming import ascent, gradients, optimizers
from tests.helpers import tiny

SHAPE = (16, 24)


def noise(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape)


def chain(optimizer="sgd", learning_rate=0.1, steps=5):
    return optimizers.chain([optimizer], tiny.steps(optimizer, learning_rate), total=steps)


def ascend(*arguments, **options):
    """Where the ascent ends, and its `Climb`."""
    end, climb = ascent.ascend(*arguments, **options)
    return end.changed, climb


def hill(x):
    """Highest where x is a bump to the left."""
    target = jnp.where(jnp.arange(x.shape[1]) < x.shape[1] // 2, 2.0, -2.0)
    return -jnp.mean(jnp.square(x - target))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("sigma", [0.5, 1.7, 4.5])
def test_blur_is_the_mean_of_three_gaussians_over_9_x_9_cells(sigma):
    rows, columns = np.mgrid[-4:5, -4:5]
    kernels = [np.exp(-(rows**2 + columns**2) / (2 * (s * sigma) ** 2)) for s in (0.5, 1, 2)]
    kernel = np.mean([k / k.sum() for k in kernels], axis=0)
    # SciPy's mirror is what others call reflect: the edge itself is not repeated.
    expected = correlate(noise(), kernel, mode="mirror")
    np.testing.assert_allclose(gradients.blur(jnp.asarray(noise()), sigma), expected, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_chain_smooths_more_each_step_then_standardises_then_scales():
    transform = chain(steps=4, learning_rate=0.02)
    gradient = jnp.asarray(noise())
    state = transform.init(gradient)
    for step in range(4):
        updates, state = transform.update(gradient, state, gradient)
        smooth = np.asarray(gradients.blur(gradient, 2 * (step + 1) / 4 + 0.5))
        expected = -0.02 * (smooth - smooth.mean()) / smooth.std(ddof=1)
        np.testing.assert_allclose(updates, expected, atol=1e-12)


def test_the_spectrogram_stays_within_3_deviations():
    start = jnp.asarray(noise(), jnp.float32)
    end, _ = ascend(hill, start, chain(learning_rate=10.0), steps=5)
    assert (end.min(), end.max()) == (-3, 3)


def test_a_limit_may_be_given_and_traced():
    start, transform = jnp.asarray(noise(), jnp.float32), chain(learning_rate=10.0)
    climbed = jax.jit(lambda limit: ascend(hill, start, transform, steps=5, limit=limit)[0])
    for limit in (0.0, 0.5, 7.0):
        end = climbed(limit)
        assert (end.min(), end.max()) == (-limit, limit)


@pytest.mark.usefixtures("x64")
def test_the_gradient_is_taken_where_it_is_seen_and_over_cell_by_cell():
    start = jnp.asarray(noise())
    see = lambda changed: jnp.sin(3 * changed[::-1])  # noqa: E731
    end, climb = ascend(hill, start, optax.sgd(0.7), steps=1, see=see, limit=9)
    np.testing.assert_allclose(end, start + 0.7 * jax.grad(hill)(see(start)), atol=1e-12)
    np.testing.assert_allclose(climb.objective, [hill(see(start))])


def test_a_tiny_gradient_still_moves():
    start = jnp.asarray(noise(), jnp.float32)
    end, climb = ascend(lambda x: 1e-30 * hill(x), start, chain(), steps=3)
    full, _ = ascend(hill, start, chain(), steps=3)
    assert (climb.fault == ascent.HEALTHY).all()
    np.testing.assert_allclose(end, full, atol=1e-3)


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (lambda x: 0 * x.sum(), ascent.ZERO_GRADIENT),
        (lambda x: 5 * x.sum(), ascent.ZERO_GRADIENT),
        (lambda x: jnp.sqrt(x.sum() * 0), ascent.NON_FINITE_GRADIENT),
    ],
)
def test_a_gradient_that_leads_nowhere_stops_that_clip_alone(spoilt, fault):
    """The third objective's slope is 0 * infinity."""

    def dream(spoils):
        def one(x, spoil):
            value = lambda y: jnp.where(spoil, spoilt(jnp.where(spoil, y, 1)), hill(y))  # noqa: E731
            return ascend(value, x, chain("adam"), steps=4)

        return jax.jit(jax.vmap(one))(clips, jnp.asarray(spoils))

    clips = jnp.stack([jnp.asarray(noise(seed), jnp.float32) for seed in range(3)])
    healthy, _ = dream([False, False, False])
    dreamed, climb = dream([False, True, False])
    np.testing.assert_array_equal(dreamed[1], clips[1])
    np.testing.assert_array_equal(climb.fault[1], [fault] * 4)
    for beside in (0, 2):
        np.testing.assert_array_equal(dreamed[beside], healthy[beside])
        assert (climb.fault[beside] == ascent.HEALTHY).all()


def test_a_step_that_blows_up_is_not_taken():
    start = jnp.asarray(noise(), jnp.float32)
    end, climb = ascend(hill, start, chain(learning_rate=jnp.inf), steps=3)
    np.testing.assert_array_equal(end, start)
    assert (climb.fault == ascent.NON_FINITE_GRADIENT).all()


def test_an_objective_that_overflows_stops_the_clip():
    start = jnp.asarray(noise(), jnp.float32)
    end, climb = ascend(lambda x: hill(x) + jnp.inf, start, chain(), steps=2)
    np.testing.assert_array_equal(end, start)
    assert (climb.fault == ascent.NON_FINITE_GRADIENT).all()


def test_any_optax_transformation_fits():
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5))
    climb = jax.jit(functools.partial(ascend, hill, transform=clipped, steps=20))
    start = jnp.asarray(noise(), jnp.float32)
    assert hill(climb(start)[0]) > hill(start)
