"""XLA's counts of floating-point operations, against counts by hand."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.dreams import count_dream, count_flops, count_gradient, make_model, make_task
from dreamsound_jax.networks.cpu.convolution import by_xla
from tests.helpers import tiny


def test_a_convolution_is_counted_without_its_padding():
    x = jax.ShapeDtypeStruct((2, 10, 20, 8), jnp.float32)
    kernel = jax.ShapeDtypeStruct((3, 3, 8, 16), jnp.float32)
    # Each row has 3 neighbours, and the first and the last have 2; so have columns.
    products = 2 * (3 * 10 - 2) * (3 * 20 - 2) * 8 * 16
    assert count_flops(jax.jit(by_xla), x, kernel) == pytest.approx(2 * products, rel=0.01)


def test_a_gradient_needs_about_twice_the_products_of_the_network():
    options = tiny.options(clip_length=12600, pyramid_size=2, num_iterations=7)
    task = make_task(make_model(1 / 4), options, layer="relu2_1", size=3)
    small, large = (64, 32), (128, 63)
    assert task.level_shapes == [small, large]

    def by_hand(rows, columns):
        half = (rows // 2) * (columns // 2)
        products = 9 * (rows * columns * (1 * 16 + 16 * 16) + half * 16 * 32)
        return 3 * 2 * 2 * products

    found = {shape: count_gradient(task, shape) for shape in (small, large)}
    # Besides products there are the ReLUs and poolings, and padding is not counted.
    assert found[large] == pytest.approx(by_hand(*large), rel=0.15)
    assert found[small] == pytest.approx(by_hand(*small), rel=0.15)
    assert count_dream(task) == 7 * sum(found.values())
