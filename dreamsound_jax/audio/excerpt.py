"""Cuts the loudest part out of a recording."""

import numpy as np

from dreamsound_jax.audio.files import Recording

FADE_SECONDS = 0.01


def cut_loudest(recording: Recording, *, seconds: float) -> tuple[Recording, float]:
    """Cuts out the part of a recording that has the most energy over all channels.

    Where the recording goes on beyond an end of the part, this end is faded over 10 ms.

    Args:
      recording: the sound.
      seconds: the length of the part, above 0.

    Returns:
      (the part, the second at which it begins). A recording that is no longer comes back whole.

    Example:
      >>> sound = np.zeros((4000, 1), np.float32)
      >>> sound[2000:3000] = 1
      >>> part, start = cut_loudest(Recording(sound, 1000), seconds=1)
      >>> part.channels.shape, start
      ((1000, 1), 2.0)
    """
    channels, sample_rate = recording
    length = max(1, round(seconds * sample_rate))
    if len(channels) <= length:
        return recording, 0.0
    start = _find_loudest(channels, length)
    part = channels[start : start + length].copy()
    ramp = np.linspace(0, 1, max(1, round(FADE_SECONDS * sample_rate)), dtype=part.dtype)
    ramp = ramp[: length // 2, None]
    if start > 0:
        part[: len(ramp)] *= ramp
    if start + length < len(channels):
        part[length - len(ramp) :] *= ramp[::-1]
    return recording._replace(channels=part), start / sample_rate


def _find_loudest(channels, length):
    """Returns where the `length` samples of the most energy begin; the first of several."""
    energy = np.einsum("sc,sc->s", channels, channels, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    return int(np.argmax(sums[length:] - sums[:-length]))
