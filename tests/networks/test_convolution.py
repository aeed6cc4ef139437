"""Convolutions by matrix products equal those of XLA."""

import functools
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import convolution
from dreamsound_jax.networks.convolution import convolve
from dreamsound_jax.networks.cpu import winograd
from dreamsound_jax.networks.cpu.convolution import (
    by_product,
    by_winograd,
    by_xla,
    choose_method,
    input_gradient,
    make_forms,
)
from dreamsound_jax.networks.pooling import max_pool

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all is left to XLA")

# (height, width), channels in and out: shapes for each method, with and without remainders of a
# tile.
SHAPES = {
    by_product: [((1, 1), (5, 7)), ((2, 200), (5, 7)), ((8, 16), (5, 7)), ((21, 23), (1, 7))],
    by_xla: [((13, 23), (5, 7))],
    by_winograd: [((12, 24), (64, 128)), ((17, 18), (128, 64)), ((25, 50), (96, 96))],
}
ALL_SHAPES = sum(SHAPES.values(), [])


def draw(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@on_cpu
@pytest.mark.parametrize("method", SHAPES)
def test_the_shape_decides_on_the_method(method):
    for shape, channels in SHAPES[method]:
        assert choose_method((1, *shape, channels[0]), jnp.zeros((3, 3, *channels))) is method


@on_cpu
def test_the_clips_of_a_batch_decide_together():
    kernel, one = jnp.zeros((3, 3, 96, 96)), (1, 8, 16, 96)
    assert choose_method(one, kernel) is by_product
    assert choose_method((4, *one[1:]), kernel) is by_winograd

    def program(clips):
        of_clip = jax.grad(lambda clip: jnp.sum(convolve(clip, kernel) ** 2))
        return str(jax.make_jaxpr(jax.vmap(of_clip))(jnp.zeros((clips, *one))))

    assert program(1).count("gather") > program(4).count("gather") == 0


@on_cpu
def test_the_gradient_of_an_input_with_one_channel_is_not_xlas():
    """XLA:CPU has no fast path for it, however many channels the result has."""
    gradient, kernel = jnp.zeros((1, 32, 32, 64)), jnp.zeros((3, 3, 1, 64))
    program = jax.make_jaxpr(input_gradient)(gradient, kernel, make_forms(kernel))
    assert "conv_general" not in str(program)


@pytest.mark.usefixtures("x64")
def test_a_batch_of_kernels_is_convolved_one_by_one():
    x, kernels = draw((4, 9, 10, 5), 0), draw((3, 3, 3, 5, 7), 1)
    of_all = jax.vmap(jax.grad(lambda x, kernel: jnp.sum(convolve(x, kernel) ** 3)), (None, 0))
    theirs = jax.vmap(jax.grad(lambda x, kernel: jnp.sum(by_xla(x, kernel) ** 3)), (None, 0))
    found, expected = (jax.jit(each)(x, kernels) for each in (of_all, theirs))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@on_cpu
def test_half_precision_is_left_to_xla():
    kernel = jnp.zeros((3, 3, 128, 128), jnp.bfloat16)
    assert choose_method((1, 64, 64, 128), kernel) is by_xla
    assert convolution.tie_tolerance(kernel) == 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("shape", "channels"), ALL_SHAPES)
def test_it_and_both_its_gradients_are_those_of_a_plain_convolution(shape, channels):
    x, kernel = draw((3, *shape, channels[0]), 0), draw((3, 3, *channels), 1) / 20

    @functools.partial(jax.jit, static_argnums=0)
    def results(convolution, x, kernel):
        value = lambda x, kernel: jnp.sum(jnp.sin(convolution(x, kernel)))  # noqa: E731
        batched = jax.vmap(lambda one: convolution(one[None], kernel)[0])(x)
        return convolution(x, kernel), batched, *jax.grad(value, (0, 1))(x, kernel)

    for ours, theirs in zip(results(convolve, x, kernel), results(by_xla, x, kernel)):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(("side", "channels"), [(64, 128), (32, 256), (16, 512)])
def test_winograd_is_exact_to_a_ten_thousandth(side, channels):
    shapes = (1, side, side, channels), (3, 3, channels, 128)
    with jax.enable_x64(True):
        exact = np.asarray(jax.jit(by_xla)(*(draw(shape, 0) for shape in shapes)))
    x, kernel = (draw(shape, 0, np.float32) for shape in shapes)
    found = jax.jit(winograd.convolve)(x, winograd.transform_kernel(kernel))
    assert np.abs(found - exact).max() < 1e-4 * np.abs(exact).max()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("side", "channels"), [(12, 3), (12, 96), (4, 3)])
def test_the_gradient_survives_scan_and_vmap(side, channels):
    x, kernel = draw((4, side, 10, channels), 0), draw((3, 3, channels, channels), 1) / 9

    def repeated(convolution):
        def value(one):
            step = lambda y, _: (jnp.tanh(convolution(y, kernel)), None)  # noqa: E731
            return jnp.sum(jax.lax.scan(step, one[None], length=4)[0])

        return jax.jit(jax.vmap(jax.grad(value)))(x)

    np.testing.assert_allclose(repeated(convolve), repeated(by_xla), atol=1e-12)


def test_a_flat_floor_keeps_its_ties():
    """In the poolings the first of equal cells is taken, and Winograd rounds them differently."""
    floor = np.repeat(np.repeat(np.abs(draw((1, 1, 1, 96), 0)), 24, 1), 24, 2)
    x, kernel = jnp.asarray(floor, jnp.float32), draw((3, 3, 96, 96), 1, np.float32) / 30
    weights = draw((1, 12, 12, 96), 2, np.float32)

    def gradient(convolution):
        value = lambda x: jnp.sum(weights * max_pool(convolution(x, kernel)))  # noqa: E731
        return jax.jit(jax.grad(value))(x)

    plain = gradient(by_xla)
    np.testing.assert_allclose(gradient(convolve), plain, atol=1e-4 * np.abs(plain).max())


def seconds_of(function, *arguments):
    started = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - started


@pytest.mark.parametrize("backend", ["gpu", "tpu"])
def test_elsewhere_the_convolution_is_xlas(backend, monkeypatch):
    """Winograd's method, its kernels and its tolerance are for CPU alone."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x, kernel = jnp.zeros((1, 32, 32, 128)), jnp.zeros((3, 3, 128, 128))
    assert convolution.prepare_kernel(kernel) is None
    assert convolution.tie_tolerance(x) == 0
    ours = jax.grad(lambda x: jnp.sum(jnp.sin(convolve(x, kernel))))
    theirs = jax.grad(lambda x: jnp.sum(jnp.sin(by_xla(x, kernel))))
    assert str(jax.make_jaxpr(ours)(x)) == str(jax.make_jaxpr(theirs)(x))


@on_cpu
@pytest.mark.timing
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
