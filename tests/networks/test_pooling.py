"""Pooling and its gradient, against XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import pooling


def test_the_first_of_equal_cells_gets_the_whole_gradient():
    tied = jnp.zeros((1, 4, 4, 1)).at[0, 3, 2].set(1.0).at[0, 3, 3].set(1.0)
    gradient = jax.grad(lambda x: pooling.max_pool(x).sum())(tied)[0, ..., 0]
    expected = np.zeros((4, 4))
    expected[0, 0] = expected[0, 2] = expected[2, 0] = expected[3, 2] = 1
    np.testing.assert_array_equal(gradient, expected)


def gradient_of_two(apart):
    """The gradient of the maximum of 2 x 2 cells, of which the second and last nearly agree."""
    eps = np.finfo(np.float32).eps
    cells = jnp.asarray([[0.0, 1.0], [0.5, 1 + apart * eps]])[None, :, :, None]
    value, gradient = jax.value_and_grad(lambda x: pooling.max_pool(x).sum())(cells)
    assert value == cells.max()
    return gradient.ravel().tolist()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere nothing rounds")
@pytest.mark.parametrize(("apart", "first"), [(2, 1), (20, 3)])
def test_cells_that_differ_by_rounding_are_equal(apart, first):
    assert gradient_of_two(apart) == (np.arange(4) == first).tolist()


@pytest.fixture
def gpu(monkeypatch):
    """A stand-in for a GPU. What was traced for a CPU is forgotten, and the other way round."""
    jax.clear_caches()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    jax.clear_caches()


@pytest.mark.usefixtures("gpu")
def test_cells_that_differ_on_a_gpu_are_not_equal():
    assert gradient_of_two(2) == [0, 0, 0, 1]


def test_max_pool_leaves_out_an_odd_last_row_and_column():
    x = jnp.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(pooling.max_pool(x)[0, ..., 0], [[6, 8]])


@pytest.mark.parametrize("shape", [(1, 1), (4, 8), (7, 7), (10, 23)])
def test_average_pool_covers_cells_by_pytorchs_rule(shape):
    x = np.random.default_rng(1).normal(size=(1, *shape, 2))
    pooled = np.asarray(pooling.adaptive_average_pool(jnp.asarray(x, jnp.float32), 7)[0])
    for row, column in np.ndindex(7, 7):
        rows, columns = (
            slice(cell * side // 7, int(np.ceil((cell + 1) * side / 7)))
            for cell, side in zip((row, column), shape)
        )
        expected = x[0, rows, columns].mean((0, 1))
        np.testing.assert_allclose(pooled[row, column], expected, atol=1e-6)
