"""What a type checker says of the Python API. mypy reads this file; nothing runs it."""

from typing import assert_type

import jax
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


def use_the_steps(sound: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    """Each step of a dream takes what the one before returns."""
    model = ds.load_model("gm")
    mel_db = ds.analyse(sound, 22050, model)
    assert_type(mel_db, np.ndarray)
    assert_type(ds.activations(mel_db, model, ["relu3_4"]), dict[str, jax.Array])
    assert_type(ds.class_probabilities(mel_db, model), dict[str, float])
    assert_type(ds.measure_objective(mel_db, model, ds.layer("relu3_4")), jax.Array)
    assert_type(ds.apply_gain(sound, 22050, model, gain_db=mel_db), np.ndarray)
