"""Writes a dream as a WAV file, as dreamsound does, and reads it back to be measured."""

import numpy as np

from dreamsound_jax.audio.files import to_mono
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.run.sources import Source


def write_dream(sound: np.ndarray, source: Source) -> tuple[bytes, np.ndarray]:
    """Writes a dream as dreamsound does, and reads it back.

    Args:
      sound: The dream, (channels, samples).
      source: Its clip.

    Returns:
      The bytes of the WAV file; its sound, mono at the sample rate of the network's front end.
    """
    written = render_sound(sound.T, sample_rate=source.sample_rate, target_lufs=source.target_lufs)
    rate = source.plan.card.front_end.sample_rate
    return written.content, to_mono(written.recording, sample_rate=rate)
