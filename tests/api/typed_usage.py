"""What a type checker says of the Python API. mypy reads this file; nothing runs it."""

from typing import assert_type

import numpy as np

import dreamsound_jax as ds


def use_one_sound(mono: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    """One sound gives one result."""
    sound, rate = ds.load_sound("loop.wav")
    assert_type(ds.dream(sound, rate), ds.Dream)
    assert_type(ds.dream(mono, rate), ds.Dream)
    assert_type(ds.ouroboros(sound, rate), ds.Ouroboros)


def use_several_sounds(clips: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]) -> None:
    """A list of sounds, or an array with an axis of clips, gives a list of results."""
    sound, rate = ds.load_sound("loop.wav")
    read = [ds.load_sound(name)[0] for name in ("loop.wav", "song.wav")]
    assert_type(ds.dream([sound, sound], rate), list[ds.Dream])
    assert_type(ds.dream(read, rate), list[ds.Dream])
    assert_type(ds.dream(clips, rate), list[ds.Dream])
    assert_type(ds.ouroboros((sound, sound), rate), list[ds.Ouroboros])
