"""What a video of a dream or of an ouroboros shows and plays; `video_file.py` encodes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.outputs.clip_files import ClipRequest, describe_mix
from dreamsound_jax.outputs.panels import SpectrogramScale
from dreamsound_jax.system.storage import printable_name

# Of a longer input, the beginning is heard before the dream.
LONGEST_INPUT_SECONDS = 30.0
EXCERPT_SECONDS = 10.0
_FADE_SECONDS = 0.5
# A shorter pair of input and dream is played again.
_LEAST_SECONDS = 3.0
_RATES = (44100, 48000)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a video, during which one sound is played and its panel is marked.

    Attributes:
      label: the words above its panel, such as "input" or "round 7 of 10".
      db: (bands, frames), its spectrogram in dB.
      span: the seconds that the spectrogram covers.
      seconds: how long the part is heard, from the beginning of the spectrogram.
      is_input: whether it is in the upper panel, which is that of the input.
    """

    label: str
    db: np.ndarray
    span: float
    seconds: float
    is_input: bool = False


@dataclass(frozen=True, kw_only=True)
class Video:
    """What a video shows and plays.

    Attributes:
      heading: what it is, such as "Dream of drums".
      detail: how it was dreamed, such as "by relu3_4 of the network gm".
      scale: where the cells of the spectrograms lie.
      parts: what is played, one after the other; the first is the input.
      sound: of all parts, one after the other, with one channel or two.
      shows_all: whether a third panel shows the spectrograms of all parts in a row.
    """

    heading: str
    detail: str
    scale: SpectrogramScale
    parts: tuple[Part, ...]
    sound: Recording
    shows_all: bool = False

    @property
    def seconds(self) -> float:
        """How long the video is: as long as its sound."""
        return len(self.sound.channels) / self.sound.sample_rate


def dream_video(
    heading: str,
    detail: str,
    *,
    scale: SpectrogramScale,
    input_db: np.ndarray,
    dream_db: np.ndarray,
    original: Recording,
    dream: Recording,
    passes: Sequence[tuple[np.ndarray, Recording]] = (),
) -> Video:
    """Returns the video of a dream: the input is heard, then the dream.

    What is shorter than three seconds is played again until it is not. Of sounds that are longer
    than `LONGEST_INPUT_SECONDS`, the first `EXCERPT_SECONDS` are heard before the dream.

    Args:
      heading, detail, scale: as in `Video`.
      input_db, dream_db: (bands, frames), the spectrograms in dB.
      original: the input, as loud as the dream.
      dream: the dream as it is written.
      passes: (spectrogram in dB, sound) after each pass of the pyramid before the last; they are
        heard between the input and the dream.
    """
    rate = _choose_rate(dream.sample_rate)
    spectrograms = [input_db, *(db for db, _ in passes), dream_db]
    recordings = [original, *(sound for _, sound in passes), dream]
    *before, last = _alike([_resample(each, rate) for each in recordings])
    sounds = [*(_shorten(each, rate) for each in before), last]
    parts = tuple(
        Part(
            label=label,
            db=db,
            span=len(whole) / rate,
            seconds=len(heard) / rate,
            is_input=number == 0,
        )
        for number, (label, db, whole, heard) in enumerate(
            zip(_label_passes(len(passes)), spectrograms, [*before, last], sounds, strict=True)
        )
    )
    times = max(1, math.ceil(_LEAST_SECONDS / sum(part.seconds for part in parts)))
    return Video(
        heading=heading,
        detail=detail,
        scale=scale,
        parts=parts * times,
        sound=Recording(np.concatenate(sounds * times), rate),
    )


def _label_passes(count):
    """Returns the words above the panels of a dream of which so many passes are shown before it."""
    of = count + 1
    names = [f"after pass {number} of {of}" for number in range(1, of)]
    return ["input", *names, "dream" if not count else f"dream, after pass {of} of {of}"]


def ouroboros_video(
    heading: str,
    detail: str,
    *,
    scale: SpectrogramScale,
    pieces_db: np.ndarray,
    sound: Recording,
    layers: Sequence[str] | None = None,
) -> Video:
    """Returns the video of an ouroboros: the input and all rounds are heard, as they are written.

    Args:
      heading, detail, scale: as in `Video`.
      pieces_db: (rounds + 1, bands, frames), the spectrograms of the input and of each round in dB.
      sound: the whole sound, as it is written: the input, and as long again for each round.
      layers: the layer of each round, if each round has another.
    """
    rate = _choose_rate(sound.sample_rate)
    (channels,) = _alike([_resample(sound, rate)])
    rounds = len(pieces_db) - 1
    labels = ["input", *(f"round {number} of {rounds}" for number in range(1, rounds + 1))]
    if layers is not None:
        labels[1:] = [f"{label}: {layer}" for label, layer in zip(labels[1:], layers, strict=True)]
    seconds = len(channels) / rate / (rounds + 1)
    parts = (
        Part(label=label, db=db, span=seconds, seconds=seconds, is_input=number == 0)
        for number, (label, db) in enumerate(zip(labels, pieces_db))
    )
    return Video(
        heading=heading,
        detail=detail,
        scale=scale,
        parts=tuple(parts),
        sound=Recording(channels, rate),
        shows_all=True,
    )


def head_video(
    request: ClipRequest, *, kind: str, aim: str | None = None, iterates: bool = False
) -> tuple[str, str]:
    """Makes the two lines above a video.

    Args:
      request: which clip it is.
      kind: "Dream" or "Ouroboros".
      aim: what was dreamed towards, such as "towards organ"; None without a class.
      iterates: whether each round of an ouroboros dreams by another layer.

    Returns:
      (heading, detail) of `Video`.
    """
    name = printable_name(Path(request.input).stem)
    layers = None if iterates else request.layers
    return f"{kind} of {name}", describe_dream(
        layers, request.model, raises=request.raises, aim=aim, mix=request.mix
    )


def describe_dream(
    layers: Sequence[str] | None,
    model: str,
    *,
    raises: str | None = None,
    aim: str | None = None,
    mix: float = 1.0,
) -> str:
    """Says how a sound was dreamed.

    Args:
      layers: the layers that were chosen; None if each round of an ouroboros has another one.
      model: the name of the network.
      raises: the objective in words, if one was given.
      aim: what was dreamed towards, such as "towards organ"; None without a class.
      mix: how much of the sound is the dream, from 0 to 1.

    Example:
      >>> describe_dream(["relu3_4"], "gm")
      'by relu3_4 of the network gm'
      >>> describe_dream(["output"], "gm", aim="towards organ")
      'towards organ, by the network gm'
    """
    if aim is not None and layers is not None and len(layers) == 1:
        by = f"by the network {model}"  # The only layer is that of the classes.
    elif layers is None:
        by = f"by another layer of the network {model} in each round"
    else:
        by = f"by {' + '.join(layers)} of the network {model}"
    if raises is not None:
        by = f"raises {raises}, by the network {model}"
    return f"{f'{aim}, ' if aim else ''}{by}{describe_mix(mix)}"


def _choose_rate(sample_rate):
    """Returns the sample rate in a video: 48 kHz for what is a multiple of 8 kHz, else 44.1 kHz."""
    return _RATES[1] if sample_rate % 8000 == 0 else _RATES[0]


def _resample(recording, rate):
    """Returns the samples (samples, channels) of a recording at a sample rate."""
    channels = recording.channels
    if recording.sample_rate != rate:
        channels = soxr.resample(channels, recording.sample_rate, rate, quality="HQ")
    return np.asarray(channels, np.float32)


def _alike(sounds):
    """Returns sounds (samples, channels) with one number of channels: one or two.

    More than two channels become their mean. A mono sound is played by both loudspeakers.
    """
    sounds = [s if s.shape[1] <= 2 else s.mean(axis=1, keepdims=True) for s in sounds]
    channels = max(sound.shape[1] for sound in sounds)
    return [np.repeat(s, channels // s.shape[1], axis=1) for s in sounds]


def _shorten(sound, rate):
    """Returns what is heard of an input: all of it, or its beginning, which then fades out."""
    if len(sound) <= LONGEST_INPUT_SECONDS * rate:
        return sound
    excerpt = sound[: round(EXCERPT_SECONDS * rate)].copy()
    fade = round(_FADE_SECONDS * rate)
    excerpt[-fade:] *= np.linspace(1, 0, fade, dtype=excerpt.dtype)[:, None]
    return excerpt
