"""What the Python API takes as a sound: its types, how a file is read, and what is checked."""

from typing import Any

import numpy as np

from dreamsound_jax.audio.files import Recording, read_recording
from dreamsound_jax.system.errors import UserError

Sound = np.ndarray[tuple[int] | tuple[int, int], np.dtype[Any]]
"""One sound: (samples,) or (channels, samples)."""

SeveralSounds = (
    list[np.ndarray] | tuple[np.ndarray, ...] | np.ndarray[tuple[int, int, int], np.dtype[Any]]
)
"""Sounds of one shape, or one array (clips, channels, samples)."""


def load_sound(path: str) -> tuple[Sound, int]:
    """Reads a sound file.

    Args:
      path: of a wav, flac, ogg, mp3, m4a or aiff file, a video, whose sound is read, or whatever
        else libsndfile or FFmpeg read; local, gs:// or s3://. Of a file that is cut short, what is
        there is read, with a warning.

    Returns:
      (sound, sample rate in Hz): float32 (samples,) of a mono file, else (channels, samples).

    Raises:
      UserError: the file is missing, or nothing of it can be read.

    Example:
      >>> sound, rate = load_sound("tests/data/loop_amen.flac")
      >>> sound.shape, rate
      ((2, 77321), 44100)
    """
    channels, rate = read_recording(path)
    return (channels[:, 0] if channels.shape[1] == 1 else channels.T), rate


def take_clips(sound: Sound | SeveralSounds) -> list[np.ndarray]:
    """Returns the clips of what was given, each float32 (samples,) or (channels, samples).

    Raises:
      UserError: they differ in shape, are no sounds, or have samples that are not finite.
    """
    clips = [np.asarray(clip, np.float32) for clip in (sound if is_several(sound) else [sound])]
    shapes = {clip.shape for clip in clips}
    if len(shapes) != 1:
        raise UserError(f"several sounds must have one shape, and have {sorted(shapes)}")
    shape = clips[0].shape
    if len(shape) not in (1, 2) or not clips[0].size or len(shape) == 2 and shape[0] > shape[1]:
        raise UserError(
            f"a sound must have the shape (samples,) or (channels, samples), and has {shape}"
            + " (transpose it, as in sound.T)" * (len(shape) == 2 and shape[0] > shape[1])
        )
    if not all(np.isfinite(clip).all() for clip in clips):
        raise UserError("a sound must not have samples that are NaN or infinite")
    return clips


def is_several(sound: Sound | SeveralSounds) -> bool:
    """Whether several clips are given: as a list, or with a leading axis."""
    return isinstance(sound, list | tuple) or np.ndim(sound) == 3


def take_sample_rate(sample_rate: int) -> int:
    """Returns a sample rate in Hz as an int; UserError if it is none."""
    if not isinstance(sample_rate, int | np.integer) or sample_rate <= 0:
        raise UserError(f"the sample rate must be a whole number above 0, and is {sample_rate!r}")
    return int(sample_rate)


def take_recording(sound: Sound, sample_rate: int) -> Recording:
    """Returns one sound as a recording; UserError as in `take_clips` and `take_sample_rate`."""
    if is_several(sound):
        raise UserError(
            "a sound must have the shape (samples,) or (channels, samples), and several are given"
        )
    (clip,) = take_clips(sound)
    return to_recording(clip, take_sample_rate(sample_rate))


def to_recording(clip: np.ndarray, sample_rate: int) -> Recording:
    """Returns (samples,) or (channels, samples) as a recording."""
    return Recording(np.atleast_2d(clip).T, sample_rate)


def shape_like(channels: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Returns (channels, samples) as (samples,) if the input was given so."""
    return channels[0] if given.ndim == 1 and len(channels) == 1 else channels
