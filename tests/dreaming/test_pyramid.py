"""The sizes of the levels of a pyramid."""

import jax
import numpy as np
import pytest

from dreamsound_jax.dreaming import pyramid
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
    pyramid.check_bands(shapes, at_least=32, layer="mp5")
    message = "32 mel bands x 8 frames, and layer mp5 needs at least 33 mel bands"
    with pytest.raises(UserError, match=message):
        pyramid.check_bands(shapes, at_least=33, layer="mp5")


def test_rolls_fill_their_ranges_and_a_range_of_0_means_none():
    keys = jax.random.split(jax.random.key(0), 2000)
    draw = jax.jit(jax.vmap(lambda key: pyramid.draw_rolls(key, size=5, ratio=2.5, roll=10)))
    rolls = np.asarray(draw(keys))
    # 10 * 2.5 ** (-4, -3, -2, -1, 0) is 0.26, 0.64, 1.6, 4, 10.
    assert [sorted(set(level)) for level in rolls.T.tolist()] == [
        [0],
        [0],
        [0, 1],
        list(range(4)),
        list(range(10)),
    ]
