"""The loudest part of a sound, on which a preview dreams."""

import numpy as np

from dreamsound_jax.audio.excerpt import cut_loudest
from dreamsound_jax.audio.files import Recording

RATE = 1000


def test_the_loudest_part_over_all_channels_is_cut_and_faded_where_the_sound_goes_on():
    sound = np.full((10 * RATE, 2), 0.1, np.float32)
    sound[6000:9000, 1] = -0.5
    recording = Recording(sound, RATE)
    part, start = cut_loudest(recording, seconds=3)
    assert start == 6 and part.sample_rate == RATE
    np.testing.assert_array_equal(part.channels[10:-10], sound[6010:8990])
    assert (part.channels[[0, -1]] == 0).all() and sound[6000, 1] == -0.5

    loud_at_the_end = Recording(sound[: 9 * RATE], RATE)
    part, start = cut_loudest(loud_at_the_end, seconds=3)
    assert start == 6 and part.channels[-1, 1] == -0.5 and part.channels[0, 1] == 0


def test_a_short_or_even_recording_comes_back_whole_or_from_its_beginning():
    even = Recording(np.ones((2000, 1), np.float32), RATE)
    assert cut_loudest(even, seconds=2)[0] is even
    assert cut_loudest(even, seconds=1)[1] == 0
