"""Renders a sound: what is written into its WAV file, and what is known of it."""

import math
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import Recording, decode_sound, encode_wav
from dreamsound_jax.audio.loudness import (
    SAFE_LUFS,
    Loudness,
    measure_loudness,
    measure_lufs,
    normalise_loudness,
)
from dreamsound_jax.system.errors import UserError

LOUDNESSES = ("safe", "match", "none")
_MONO_ON_TWO_SPEAKERS_LU = 10 * math.log10(2)
_LOWEST_LUFS = -70  # BS.1770 measures nothing quieter.


class RenderedSound(NamedTuple):
    """A sound as it is written.

    Attributes:
      wav: the bytes of its WAV file.
      recording: the sound that is read back from that file.
      loudness: the loudness and the true peak of `recording`, to 0.01 dB.
    """

    wav: bytes
    recording: Recording
    loudness: Loudness


def render_sound(
    sound: np.ndarray,
    *,
    sample_rate: int,
    target_lufs: float | None = SAFE_LUFS,
    circular: bool = False,
) -> RenderedSound:
    """Renders a sound: encodes it once, and measures what is written.

    Args:
      sound: (samples, channels), of any float dtype.
      sample_rate: in Hz.
      target_lufs: the loudness that it is given, by `normalise_loudness`; it is written with 16
        bit. With None it is written as it is, in float32.
      circular: whether it is a loop, whose end runs into its beginning.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    if target_lufs is None:
        wav = encode_wav(sound, sample_rate=sample_rate, subtype="FLOAT")
        recording = decode_sound(wav)
        loudness = measure_loudness(recording.channels, sample_rate=sample_rate)
        return RenderedSound(wav, recording, loudness)
    scaled, loudness = normalise_loudness(
        sound, sample_rate=sample_rate, target_lufs=target_lufs, circular=circular
    )
    wav = encode_wav(scaled, sample_rate=sample_rate)
    return RenderedSound(wav, decode_sound(wav), loudness)


def render_input(
    original: Recording,
    *,
    dream: RenderedSound,
    target_lufs: float | None,
    circular: bool = False,
) -> RenderedSound:
    """Renders an input to be compared with its dream: as loud when it is played, and as long.

    Args:
      original: the input, with its own channels and sample rate.
      dream: as it is written.
      target_lufs: what the dream was given by `render_sound`. With None, the input is written in
        float32, too, and its peaks are not limited. If the dream is too quiet for the meter, the
        input is given this loudness, or with None keeps its level.
      circular: whether both are loops.
    """
    (dreamed, dream_rate), (channels, sample_rate) = dream.recording, original
    channels = channels[: round(len(dreamed) * sample_rate / dream_rate)]
    wanted = dream.loudness.lufs + _gain_on_two_speakers(dreamed) - _gain_on_two_speakers(channels)
    if target_lufs is not None:
        wanted = min(wanted, 0.0) if math.isfinite(wanted) else target_lufs
        return render_sound(
            channels, sample_rate=sample_rate, target_lufs=wanted, circular=circular
        )
    gain_db = wanted - measure_lufs(channels, sample_rate=sample_rate)
    if math.isfinite(gain_db):
        channels = channels * 10 ** (gain_db / 20)
    return render_sound(channels, sample_rate=sample_rate, target_lufs=None)


def render_input_alike(
    original: Recording,
    *,
    dream: RenderedSound,
    unscaled: np.ndarray,
    target_lufs: float | None,
    circular: bool = False,
) -> RenderedSound:
    """Renders an input with the gain that its dream was given: what they share stays the same.

    Args:
      original: the input, with the channels and the sample rate of the dream.
      dream: as it is written.
      unscaled: the dream before it was rendered, (samples, channels).
      target_lufs: what the dream was given by `render_sound`.
      circular: whether both are loops.
    """
    channels, sample_rate = original
    if target_lufs is None:
        return render_sound(channels, sample_rate=sample_rate, target_lufs=None)
    own, dreamed = (measure_lufs(each, sample_rate=sample_rate) for each in (channels, unscaled))
    wanted = own + dream.loudness.lufs - dreamed
    wanted = min(wanted, 0.0) if math.isfinite(wanted) else target_lufs
    return render_sound(channels, sample_rate=sample_rate, target_lufs=wanted, circular=circular)


def _gain_on_two_speakers(channels):
    """Returns how much louder a sound is on two loudspeakers, which both play a mono sound."""
    return _MONO_ON_TWO_SPEAKERS_LU if channels.shape[1] == 1 else 0.0


def render_difference(dream: RenderedSound, original: RenderedSound) -> bytes:
    """Encodes a written dream minus its written input, of one shape, sample by sample, as a WAV.

    It is exact, and never clipped: with 16 bit, or in float32 if a sample is over full scale or if
    the two are in float32.
    """
    (dreamed, sample_rate), (channels, _) = dream.recording, original.recording
    difference = dreamed - channels
    steps = difference * 2**15
    fits = np.array_equal(steps, np.round(steps).clip(-(2**15), 2**15 - 1))
    subtype = "PCM_16" if fits else "FLOAT"
    return encode_wav(difference, sample_rate=sample_rate, subtype=subtype)


def parse_loudness(loudness: str | float) -> str | float:
    """Returns what `--loudness` asks for: one of `LOUDNESSES`, or a number of LUFS.

    Raises:
      UserError: it is neither, or a number that is not from -70 to 0.
    """
    if loudness in LOUDNESSES:
        return loudness
    try:
        lufs = float(loudness)
    except ValueError:
        lufs = math.nan
    if not _LOWEST_LUFS <= lufs <= 0:
        raise UserError(
            f"--loudness must be {', '.join(LOUDNESSES)} or a number of LUFS from {_LOWEST_LUFS} "
            f"to 0, such as -14, and is {loudness!r}"
        )
    return lufs


def find_target_lufs(loudness: str | float, original: Recording) -> float | None:
    """Returns the loudness that `render_sound` is to give a sound, in LUFS.

    Args:
      loudness: as in `--loudness`: "safe", "match", "none" or a number of LUFS.
      original: the input, whose loudness "match" takes over. If it is under -70 LUFS, or lower than
        can be heard, it has none, and "match" is "safe".

    Raises:
      UserError: for the reasons of `parse_loudness`.
    """
    wanted = parse_loudness(loudness)
    if wanted == "match":
        lufs = measure_lufs(original.channels, sample_rate=original.sample_rate)
        return min(lufs, 0.0) if math.isfinite(lufs) else SAFE_LUFS
    if isinstance(wanted, str):
        return {"safe": SAFE_LUFS, "none": None}[wanted]
    return wanted
