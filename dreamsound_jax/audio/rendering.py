"""Renders a sound: what is written into its WAV file, and what is known of it."""

from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import Recording, decode_sound, encode_wav
from dreamsound_jax.audio.loudness import Loudness, measure_loudness, normalise_loudness


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


def render_sound(sound: np.ndarray, *, sample_rate: int, normalise: bool = True) -> RenderedSound:
    """Renders a sound: encodes it once, and measures its loudness once.

    Args:
      sound: (samples, channels), of any float dtype.
      sample_rate: in Hz.
      normalise: whether the sound is made safe to listen to and written with 16 bit, by
        `normalise_loudness`. Otherwise it is written as it is, in float32.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    if normalise:
        scaled, loudness = normalise_loudness(sound, sample_rate=sample_rate)
        wav = encode_wav(scaled, sample_rate=sample_rate)
        return RenderedSound(wav, decode_sound(wav), loudness)
    wav = encode_wav(sound, sample_rate=sample_rate, subtype="FLOAT")
    recording = decode_sound(wav)
    loudness = measure_loudness(recording.channels, sample_rate=sample_rate)
    return RenderedSound(wav, recording, loudness)
