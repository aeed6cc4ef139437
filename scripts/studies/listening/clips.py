"""The clips of a listening test: what each is, and how all are made alike but for what they are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.excerpt import FADE_SECONDS, cut_loudest
from dreamsound_jax.audio.files import Recording, normalise_recording
from dreamsound_jax.audio.loudness import SAFE_LUFS
from dreamsound_jax.audio.rendering import render_sound

SAMPLE_RATE = 22050
DREAM, CONTROL, PHRASE = "dream", "control", "phrase"
KINDS = (DREAM, CONTROL, PHRASE)


class Clip(NamedTuple):
    """A clip of a test.

    Attributes:
      kind: one of `KINDS`: a dream, an input that was not dreamed on, or a real phrase.
      source: the name of the input; of a real phrase, its own name.
      target: the class that it dreams towards, or of the real phrase; None for a control.
      sound: (samples,), mono at 22,050 Hz.
    """

    kind: str
    source: str
    target: str | None
    sound: np.ndarray


def fit_length(name: str, recording: Recording, *, seconds: float) -> np.ndarray:
    """Makes a recording mono, at 22,050 Hz and of one length.

    Of a longer one, the loudest part is kept; a shorter one is repeated.

    Args:
      name: what messages call it.
      recording: the recording.
      seconds: the length.

    Returns:
      (samples,), with a peak of 1.

    Raises:
      UserError: it is silent.
    """
    part, _ = cut_loudest(recording, seconds=seconds)
    sound = normalise_recording(name, part, sample_rate=SAMPLE_RATE)
    return np.resize(sound, count_samples(seconds))


def count_samples(seconds: float) -> int:
    """Returns how many samples a clip has."""
    return round(seconds * SAMPLE_RATE)


def render_clips(sounds: Sequence[np.ndarray]) -> list[bytes]:
    """Renders sounds of one length as WAV files that differ in nothing but their samples.

    All fade in and out over 10 ms, and have the loudness and the ceiling that `dreamsound` writes.

    Args:
      sounds: (samples,) each, mono at 22,050 Hz.
    """
    return [_render(sound) for sound in sounds]


def _render(sound):
    ramp = np.linspace(0, 1, round(FADE_SECONDS * SAMPLE_RATE))
    faded = np.array(sound, np.float32)
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return render_sound(faded[:, None], sample_rate=SAMPLE_RATE, target_lufs=SAFE_LUFS).content
