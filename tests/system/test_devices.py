"""Arrays are placed on the devices of a process."""

import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.system import devices


@pytest.mark.parametrize("clips", [3, 4, 9])
def test_a_batch_in_parts_is_the_batch_at_once(clips):
    def scaled(factor, clip):
        return factor * clip, {"sum": clip.sum()}

    batch = jnp.arange(2.0 * clips).reshape(clips, 2)
    in_parts = devices.over_clips(scaled, shared=1, at_once=4)(3.0, batch)
    np.testing.assert_array_equal(in_parts[0], 3 * batch)
    np.testing.assert_array_equal(in_parts[1]["sum"], batch.sum(1))
