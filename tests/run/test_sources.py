import operator

import jax
import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.run.feed import batches
from dreamsound_jax.run.sources import Keys, Source

SHAPE = operator.attrgetter("shape")


def source(number, *, rate, channels, keep):
    """Of one second, whatever the rate."""
    recording = files.Recording(np.ones((rate, channels), np.float32), rate)
    keys = Keys(*jax.random.split(jax.random.key(0), 4))
    original = recording if keep else None
    return Source(number, "a.wav", np.ones(22050, np.float32), original, keys, None)


def test_clips_share_a_batch_if_their_sounds_have_one_form():
    """In the domain sound; the reference's has mono at 22,050 Hz alone."""
    forms = [(44100, 2), (22050, 1), (44100, 1), (44100, 2), (48000, 2), (44100, 2)]
    for keep, expected in ((True, [[0, 3], [1], [2], [4], [5]]), (False, [[0, 1], [2, 3], [4, 5]])):
        clips = [
            source(number, rate=rate, channels=channels, keep=keep)
            for number, (rate, channels) in enumerate(forms)
        ]
        found = [[each.number for each in batch] for batch in batches(clips, 2, alike=SHAPE)]
        assert found == expected
        assert [clip.sample_rate for clip in clips] == [
            rate if keep else 22050 for rate, _ in forms
        ]
