import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming import pyramid
from dreamsound_jax.spectral import interpolate
from dreamsound_jax.system.errors import UserError


def test_shapes_are_rounded_half_to_even():
    shapes = pyramid.level_shapes((128, 256), size=4, ratio=1.4)
    assert shapes == [(47, 93), (65, 131), (91, 183), (128, 256)]
    assert pyramid.level_shapes((50, 54), size=3, ratio=2) == [(12, 14), (25, 27), (50, 54)]
    assert pyramid.level_shapes((128, 256), size=1, ratio=2) == [(128, 256)]


def test_a_side_under_8_is_an_error_that_says_so():
    assert pyramid.level_shapes((128, 32), size=3, ratio=2)[0] == (32, 8)
    with pytest.raises(UserError, match="32 mel bands x 7 frames.*at least 8"):
        pyramid.level_shapes((128, 28), size=3, ratio=2)


def test_only_the_bands_of_the_smallest_level_have_to_suffice():
    shapes = pyramid.level_shapes((128, 32), size=3, ratio=2)
    pyramid.check_bands(shapes, at_least=32, reason="layer mp5")
    with pytest.raises(UserError, match="32 mel bands x 8 frames, and layer x needs at least 33"):
        pyramid.check_bands(shapes, at_least=33, reason="layer x")


@pytest.mark.parametrize(("at_least", "frames"), [(1, 5), (5, 5), (6, 10), (10, 10), (31, 35)])
def test_a_short_clip_is_repeated_whole_until_it_is_long_enough(at_least, frames):
    image = np.arange(30).reshape(2, 3, 5)
    repeated = interpolate.repeat_time(image, at_least=at_least)
    assert repeated.shape == (2, 3, frames)
    np.testing.assert_array_equal(repeated, np.tile(image, frames // 5))


@pytest.mark.parametrize("shape", [(3, 4), (12, 14), (5, 19), (6, 7)])
def test_resize_takes_the_cell_at_floor_of_i_times_in_over_out(shape):
    image = np.arange(6 * 7).reshape(6, 7)
    expected = [
        [image[int(i * 6 / shape[0]), int(j * 7 / shape[1])] for j in range(shape[1])]
        for i in range(shape[0])
    ]
    np.testing.assert_array_equal(interpolate.resize(image, shape), expected)


def test_lost_detail_is_what_the_way_through_a_smaller_level_lost():
    image = np.random.default_rng(0).normal(size=(16, 32))
    again = interpolate.resize(interpolate.resize(image, (8, 16)), (16, 32))
    lost = pyramid.lost_detail(image, (16, 32), (8, 16))
    np.testing.assert_allclose(again + lost, image)
    assert np.abs(lost).max() > 0.1


def test_rolls_fill_their_ranges_and_a_range_of_0_means_none():
    keys = jax.random.split(jax.random.key(0), 2000)
    draw = jax.vmap(lambda key: pyramid.draw_rolls(key, size=5, ratio=2.5, roll=10))
    rolls = np.asarray(draw(keys))
    # 10 * 2.5 ** (-4, -3, -2, -1, 0) is 0.26, 0.64, 1.6, 4, 10.
    assert [sorted(set(level)) for level in rolls.T.tolist()] == [
        [0],
        [0],
        [0, 1],
        list(range(4)),
        list(range(10)),
    ]


def test_rolling_wraps_in_time_and_back_again():
    image = np.arange(12.0).reshape(2, 6)
    rolled = interpolate.roll_time(image, 2)
    np.testing.assert_array_equal(rolled[0], [4, 5, 0, 1, 2, 3])
    np.testing.assert_array_equal(interpolate.roll_time(rolled, -2), image)


@pytest.mark.parametrize("shape", [(5, 37), (3, 4, 90), (8,)])
def test_spreading_is_linear_interpolation_as_jax_does_it(x64, shape):
    image = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    wider = (*shape[:-1], 2 * shape[-1] + 1)
    expected = jax.image.resize(image, wider, "linear")
    np.testing.assert_allclose(interpolate.spread(image, wider), expected, atol=1e-5)


def test_spreading_takes_memory_for_the_frames_and_not_for_all_pairs_of_them():
    spread = jax.jit(lambda image: interpolate.spread(image, (8, 40_000)))
    compiled = spread.lower(jax.ShapeDtypeStruct((4, 20_000), jnp.float32)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 20 * 8 * 40_000
