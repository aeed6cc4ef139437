import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.convolution import TINY_MAP, convolve


def plain(x, kernel):
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dimensions)


def draw(shape, seed, dtype=np.float64):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(1, 1), (2, 4), (8, 8), (8, 9), (11, 23)])
def test_it_and_both_its_gradients_are_those_of_a_plain_convolution(shape):
    assert (np.prod(shape) <= TINY_MAP) == (shape in [(1, 1), (2, 4), (8, 8)])
    x, kernel = draw((3, *shape, 5), 0), draw((3, 3, 5, 7), 1)

    def results(convolution):
        value = lambda x, kernel: jnp.sum(jnp.sin(convolution(x, kernel)))  # noqa: E731
        batched = jax.vmap(lambda one: convolution(one[None], kernel)[0])(x)
        return convolution(x, kernel), batched, *jax.grad(value, (0, 1))(x, kernel)

    for ours, theirs in zip(results(convolve), results(plain)):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_gradient_survives_scan_and_vmap():
    x, kernel = draw((4, 12, 10, 3), 0), draw((3, 3, 3, 3), 1)

    def repeated(convolution):
        def value(one):
            step = lambda y, _: (jnp.tanh(convolution(y, kernel)), None)  # noqa: E731
            return jnp.sum(jax.lax.scan(step, one[None], length=4)[0])

        return jax.vmap(jax.grad(value))(x)

    np.testing.assert_allclose(repeated(convolve), repeated(plain), atol=1e-12)


def seconds_of(function, *arguments):
    started = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - started


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the fast path is lost on CPU only")
def test_the_input_gradient_is_faster_in_scan_than_the_one_jax_would_write():
    x, kernel = draw((1, 64, 64, 64), 0, np.float32), draw((3, 3, 64, 64), 1, np.float32) / 24

    def climb(convolution):
        gradient = jax.grad(lambda x: jnp.mean(jnp.square(convolution(x, kernel))))
        step = lambda x, _: (x + gradient(x), None)  # noqa: E731
        return jax.jit(lambda x: jax.lax.scan(step, x, length=10)[0])

    ours, theirs = climb(convolve), climb(plain)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-3, atol=1e-3)
    ratio = statistics.median(seconds_of(theirs, x) / seconds_of(ours, x) for _ in range(5))
    assert ratio > 1.2
