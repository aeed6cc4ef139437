import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks.cpu import winograd
from dreamsound_jax.networks.cpu.convolution import (
    by_product,
    by_winograd,
    by_xla,
    convolve,
    fastest,
    forms_of,
    input_gradient,
)
from dreamsound_jax.networks.vgg19 import max_pool

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all is left to XLA")

# (height, width), channels in and out: shapes for each way, with remainders of a tile and without.
SHAPES = {
    by_product: [((1, 1), (5, 7)), ((2, 200), (5, 7)), ((8, 16), (5, 7)), ((21, 23), (1, 7))],
    by_xla: [((13, 23), (5, 7))],
    by_winograd: [((12, 24), (64, 128)), ((17, 18), (128, 64)), ((25, 50), (96, 96))],
}
ALL_SHAPES = sum(SHAPES.values(), [])


def draw(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@on_cpu
@pytest.mark.parametrize("way", SHAPES)
def test_the_shape_decides_on_the_way(way):
    for shape, channels in SHAPES[way]:
        assert fastest((1, *shape, channels[0]), jnp.zeros((3, 3, *channels))) is way


@on_cpu
def test_the_clips_of_a_batch_decide_together():
    kernel, one = jnp.zeros((3, 3, 96, 96)), (1, 8, 16, 96)
    assert fastest(one, kernel) is by_product
    assert fastest((4, *one[1:]), kernel) is by_winograd

    def program(clips):
        of_clip = jax.grad(lambda clip: jnp.sum(convolve(clip, kernel) ** 2))
        return str(jax.make_jaxpr(jax.vmap(of_clip))(jnp.zeros((clips, *one))))

    assert program(1).count("gather") > program(4).count("gather") == 0


@on_cpu
def test_backwards_the_way_is_the_same():
    """However many channels the gradient has: a map of one channel has none of XLA's."""
    gradient, kernel = jnp.zeros((1, 32, 32, 64)), jnp.zeros((3, 3, 1, 64))
    program = jax.make_jaxpr(input_gradient)(gradient, kernel, forms_of(kernel))
    assert "conv_general" not in str(program)


@pytest.mark.usefixtures("x64")
def test_a_batch_of_kernels_is_convolved_one_by_one():
    x, kernels = draw((4, 9, 10, 5), 0), draw((3, 3, 3, 5, 7), 1)
    of_all = jax.vmap(jax.grad(lambda x, kernel: jnp.sum(convolve(x, kernel) ** 3)), (None, 0))
    theirs = jax.vmap(jax.grad(lambda x, kernel: jnp.sum(by_xla(x, kernel) ** 3)), (None, 0))
    np.testing.assert_allclose(of_all(x, kernels), theirs(x, kernels), atol=1e-12)


@on_cpu
def test_half_precision_is_left_to_xla():
    assert fastest((1, 64, 64, 128), jnp.zeros((3, 3, 128, 128), jnp.bfloat16)) is by_xla


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("shape", "channels"), ALL_SHAPES)
def test_it_and_both_its_gradients_are_those_of_a_plain_convolution(shape, channels):
    x, kernel = draw((3, *shape, channels[0]), 0), draw((3, 3, *channels), 1) / 20

    def results(convolution):
        value = lambda x, kernel: jnp.sum(jnp.sin(convolution(x, kernel)))  # noqa: E731
        batched = jax.vmap(lambda one: convolution(one[None], kernel)[0])(x)
        return convolution(x, kernel), batched, *jax.grad(value, (0, 1))(x, kernel)

    for ours, theirs in zip(results(convolve), results(by_xla)):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(("side", "channels"), [(64, 128), (32, 256), (16, 512)])
def test_winograd_is_exact_to_a_ten_thousandth(side, channels):
    shapes = (1, side, side, channels), (3, 3, channels, channels)
    with jax.enable_x64(True):
        exact = np.asarray(by_xla(*(draw(shape, 0) for shape in shapes)))
    x, kernel = (draw(shape, 0, np.float32) for shape in shapes)
    found = winograd.convolve(x, winograd.of_kernel(kernel))
    assert np.abs(found - exact).max() < 1e-4 * np.abs(exact).max()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("side", "channels"), [(12, 3), (12, 96), (4, 3)])
def test_the_gradient_survives_scan_and_vmap(side, channels):
    x, kernel = draw((4, side, 10, channels), 0), draw((3, 3, channels, channels), 1) / 9

    def repeated(convolution):
        def value(one):
            step = lambda y, _: (jnp.tanh(convolution(y, kernel)), None)  # noqa: E731
            return jnp.sum(jax.lax.scan(step, one[None], length=4)[0])

        return jax.vmap(jax.grad(value))(x)

    np.testing.assert_allclose(repeated(convolve), repeated(by_xla), atol=1e-12)


def test_a_flat_floor_keeps_its_ties():
    """In the poolings the first of equal cells is taken, and Winograd rounds them differently."""
    floor = np.repeat(np.repeat(np.abs(draw((1, 1, 1, 96), 0)), 24, 1), 24, 2)
    x, kernel = jnp.asarray(floor, jnp.float32), draw((3, 3, 96, 96), 1, np.float32) / 30
    weights = draw((1, 12, 12, 96), 2, np.float32)

    def gradient(convolution):
        value = lambda x: jnp.sum(weights * max_pool(convolution(x, kernel)))  # noqa: E731
        return jax.grad(value)(x)

    plain = gradient(by_xla)
    np.testing.assert_allclose(gradient(convolve), plain, atol=1e-4 * np.abs(plain).max())


def seconds_of(function, *arguments):
    started = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - started


@on_cpu
@pytest.mark.parametrize(
    ("shape", "channels", "at_least"),
    [((4, 8), 512, 1.3), ((32, 64), 256, 1.5), ((64, 64), 64, 1.2)],
)
def test_a_step_up_the_gradient_is_faster_in_scan_than_xlas_own(shape, channels, at_least):
    """Measured: about 2, 4 and 2 times; a busy machine is busy for both."""
    x = draw((1, *shape, channels), 0, np.float32)
    kernel = draw((3, 3, channels, channels), 1, np.float32) / (3 * channels**0.5)

    def climb(convolution):
        gradient = jax.grad(lambda x: jnp.mean(jnp.square(convolution(x, kernel))))
        step = lambda x, _: (x + gradient(x), None)  # noqa: E731
        return jax.jit(lambda x: jax.lax.scan(step, x, length=10)[0])

    ours, theirs = climb(convolve), climb(by_xla)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-3, atol=1e-3)
    ratio = statistics.median(seconds_of(theirs, x) / seconds_of(ours, x) for _ in range(5))
    print(f"{shape} {channels}: {ratio:.2f} times as fast")
    assert ratio > at_least
