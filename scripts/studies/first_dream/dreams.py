"""Dreams on the inputs of the study, and measures how far each dream is from its input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.run.presets import make_options
from studies.first_dream.measures import Difference, measure_difference


class Input(NamedTuple):
    """A recording that is dreamed on.

    Attributes:
      name: of the file, without its suffix.
      sound: (channels, samples) or (samples,).
      sample_rate: in Hz.
    """

    name: str
    sound: np.ndarray
    sample_rate: int


def read_inputs(paths: Sequence[str], seconds: float) -> list[Input]:
    """Reads the first seconds of files."""
    inputs = []
    for path in paths:
        sound, rate = ds.load_sound(path)
        inputs.append(Input(Path(path).stem, sound[..., : round(seconds * rate)], rate))
    return inputs


def dream_on(model: ds.Model, given: Input, options: Mapping[str, Any]) -> np.ndarray:
    """Returns the dream of an input as (samples,); of an ouroboros its last round."""
    asked = dict(options)
    if make_options(asked).create_ouroboros:
        asked.pop("create_ouroboros", None)
        made = ds.ouroboros(given.sound, given.sample_rate, model, **asked)
        sound = made.sound[..., -given.sound.shape[-1] :]
    else:
        sound = ds.dream(given.sound, given.sample_rate, model, **asked).sound
    return _to_mono(sound)


def compare_with_input(given: Input, dream: np.ndarray) -> Difference:
    """Measures how a dream (samples,) differs from its input."""
    return measure_difference(_to_mono(given.sound), dream, sample_rate=given.sample_rate)


def _to_mono(sound):
    return np.atleast_2d(sound).mean(axis=0)
