"""Dreams on the inputs of the study, and measures how far apart sounds are."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import librosa
import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.run.presets import make_options
from studies.first_dream.measures import Difference, measure_difference


class Input(NamedTuple):
    """A recording that is dreamed on.

    Attributes:
      channels: (channels, samples) or (samples,).
      sample_rate: in Hz.
    """

    channels: np.ndarray
    sample_rate: int


class Mono(NamedTuple):
    """A sound that is compared: (samples,) at a sample rate in Hz."""

    sound: np.ndarray
    sample_rate: int


def read_inputs(paths: Sequence[str], seconds: float) -> list[Input]:
    """Reads the first seconds of files."""
    found = map(ds.load_sound, paths)
    return [Input(sound[..., : round(seconds * rate)], rate) for sound, rate in found]


def dream_on(model: ds.Model, given: Input, options: Mapping[str, Any]) -> Mono:
    """Returns the dream of an input; of an ouroboros its last round."""
    if make_options(options).create_ouroboros:
        asked = {name: value for name, value in options.items() if name != "create_ouroboros"}
        made = ds.ouroboros(given.channels, given.sample_rate, model, **asked)
        return mix(made.sound[..., -given.channels.shape[-1] :], made.sample_rate)
    made = ds.dream(given.channels, given.sample_rate, model, **options)
    return mix(made.sound, made.sample_rate)


def mix(channels: np.ndarray, sample_rate: int) -> Mono:
    """Returns the mean of the channels of a sound."""
    return Mono(np.atleast_2d(channels).mean(axis=0), sample_rate)


def compare(before: Mono, after: Mono) -> Difference:
    """Measures how two sounds differ, at the lower of their sample rates."""
    rate = min(before.sample_rate, after.sample_rate)
    sounds = [
        librosa.resample(one.sound, orig_sr=one.sample_rate, target_sr=rate)
        for one in (before, after)
    ]
    return measure_difference(*sounds, sample_rate=rate)


def compare_with_input(given: Input, dream: Mono) -> Difference:
    """Measures how a dream differs from its input."""
    return compare(mix(*given), dream)
