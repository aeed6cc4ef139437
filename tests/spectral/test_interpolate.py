"""Spectrograms are enlarged and made smaller as PyTorch does it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.spectral import interpolate


@pytest.mark.parametrize("frames", [5, 6, 10, 13])
def test_a_short_clip_is_repeated_to_a_number_of_frames(frames):
    image = np.arange(30).reshape(2, 3, 5)
    repeated = interpolate.repeat_time(image, frames=frames)
    np.testing.assert_array_equal(repeated, image[..., np.arange(frames) % 5])


@pytest.mark.parametrize("shape", [(3, 4), (12, 14), (5, 19), (6, 7)])
def test_resizing_takes_the_cell_at_floor_of_i_times_in_over_out(shape):
    image = np.arange(6 * 7).reshape(6, 7)
    expected = [
        [image[int(i * 6 / shape[0]), int(j * 7 / shape[1])] for j in range(shape[1])]
        for i in range(shape[0])
    ]
    np.testing.assert_array_equal(interpolate.resize_nearest(image, shape), expected)


def test_rolling_wraps_in_time_and_back_again():
    image = np.arange(12.0).reshape(2, 6)
    rolled = interpolate.roll_time(image, 2)
    np.testing.assert_array_equal(rolled[0], [4, 5, 0, 1, 2, 3])
    np.testing.assert_array_equal(interpolate.roll_time(rolled, -2), image)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(5, 37), (3, 4, 90), (8,)])
def test_resizing_linearly_does_as_jax_does(shape):
    image = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    wider = (*shape[:-1], 2 * shape[-1] + 1)
    expected = jax.image.resize(image, wider, "linear")
    np.testing.assert_allclose(interpolate.resize_linear(image, wider), expected, atol=1e-5)


def test_resizing_linearly_takes_memory_for_the_frames_and_not_for_all_pairs_of_them():
    resize = jax.jit(lambda image: interpolate.resize_linear(image, (8, 40_000)))
    compiled = resize.lower(jax.ShapeDtypeStruct((4, 20_000), jnp.float32)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 20 * 8 * 40_000
