"""What is read of a sound file: its sound, how the file stored it, and whether it is whole."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import soxr

from dreamsound_jax.audio.cancelling import find_heard_channel
from dreamsound_jax.audio.channels import mix_to_mono

# About 3 hours of stereo at 48 kHz, in 4 GB.
MOST_SAMPLES = 10**9
# A file that holds more than this, and more than so many in each of its bytes, is made to fill the
# memory: FLAC has 65,535 samples of silence in some 20 bytes.
_MANY_SAMPLES = 10**8
_MOST_IN_A_BYTE = 256


class Recording(NamedTuple):
    """A sound as it is in its file: float32 (samples, channels), and its sample rate in Hz."""

    channels: np.ndarray
    sample_rate: int


class Origin(NamedTuple):
    """How a sound was stored.

    Attributes:
      bit_depth: what keeps all of its samples: "16", "24" or "32f"; "16" of a lossy format.
      layout: FFmpeg's name of the layout of more than two channels, such as "5.1(side)"; None if
        the file does not say it.
    """

    bit_depth: str = "16"
    layout: str | None = None


class Decoded(NamedTuple):
    """What was read of a file.

    Attributes:
      recording: the sound.
      origin: how it was stored.
      announced_seconds: how long the file says that it is; None if it does not, or only roughly.
      is_whole: whether nothing is known to be missing.
      unread_seconds: how much sound lies in the file where its header does not say it.
      track: which audio track of the file it is, from 1 on.
      tracks: how many audio tracks the file has.
      is_loudest: whether the track was chosen as the loudest, since the usual one is silent.
    """

    recording: Recording
    origin: Origin
    announced_seconds: float | None = None
    is_whole: bool = True
    unread_seconds: float = 0.0
    track: int = 1
    tracks: int = 1
    is_loudest: bool = False

    @property
    def seconds(self) -> float:
        """How much was read."""
        return len(self.recording.channels) / self.recording.sample_rate


class UndecodableError(Exception):
    """Nothing of a file can be read; the message says why, as the end of a sentence about it."""


def check_size(samples: int, channels: int, *, file_bytes: int) -> None:
    """Raises UndecodableError if a sound is too long for memory, or for the size of its file."""
    most = min(MOST_SAMPLES, max(_MANY_SAMPLES, _MOST_IN_A_BYTE * file_bytes))
    if samples * channels > most:
        raise UndecodableError(
            f"is too long: it has more than {most // channels} samples in each of {channels} "
            "channels"
        )


def join_recordings(pieces: Sequence[Recording]) -> Recording:
    """Joins recordings, of which there is one at least, in their order.

    The channels and the sample rate of all become those of the first.

    Example:
      >>> piece = Recording(np.ones((4, 1), np.float32), 8000)
      >>> join_recordings([piece, piece]).channels.shape
      (8, 1)
    """
    runs = itertools.groupby(pieces, key=lambda each: (each.sample_rate, each.channels.shape[1]))
    joined = [
        Recording(np.concatenate([each.channels for each in run]), rate) for (rate, _), run in runs
    ]
    first, *others = joined
    if not others:
        return first
    alike = [first.channels, *(_make_alike(each, first) for each in others)]
    return Recording(np.concatenate(alike), first.sample_rate)


def _make_alike(recording, first):
    channels, count = recording.channels, first.channels.shape[1]
    if channels.shape[1] != count:
        heard = find_heard_channel(channels, sample_rate=recording.sample_rate)
        mono = mix_to_mono(channels, heard).astype(channels.dtype)
        channels = np.repeat(mono[:, None], count, axis=1)
    if recording.sample_rate == first.sample_rate:
        return channels
    return soxr.resample(channels, recording.sample_rate, first.sample_rate, quality="HQ")
