"""Cuts sounds into pieces and computes their mel spectrograms."""

import dataclasses
import functools

import jax
import numpy as np

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.front_end_constants import NO_FLOOR_DB

MAX_PIECE_SECONDS = 40  # Longer sounds are cut into pieces.
SILENT_PEAK = 1e-5  # This is -100 dB, the lowest level in a spectrogram.
DTYPE = np.float16  # Its steps are at most 0.06 dB.


def cut_into_pieces(sound: np.ndarray, *, sample_rate: int) -> list[np.ndarray]:
    """Cuts a sound (samples,) into pieces whose lengths differ by at most one sample.

    A piece has at most `MAX_PIECE_SECONDS` seconds and a peak of 1. Silent pieces are left out.
    """
    pieces = np.array_split(sound, -(-sound.size // (MAX_PIECE_SECONDS * sample_rate)))
    peaks = [np.abs(piece).max() for piece in pieces]
    return [piece / peak for piece, peak in zip(pieces, peaks) if peak > SILENT_PEAK]


def compute_mel_db(sound: np.ndarray, *, front_end: FrontEnd) -> np.ndarray:
    """Computes the mel spectrogram (mel bands, frames) of a sound (samples,), float16 in dB.

    The sound is padded with silence to one of a few lengths, because each length is compiled once.
    The sound's own frames are those of the sound alone: what lies beyond its end comes before the
    silence, and the floor below the loudest cell is applied to them afterwards.
    """
    half = front_end.n_fft // 2
    beyond = np.pad(np.float32(sound), (0, half), mode=front_end.pad_mode)  # type: ignore[call-overload]
    padded = np.pad(beyond, (0, round_up_length(beyond.size) - beyond.size))
    without_floor = dataclasses.replace(front_end, top_db=NO_FLOOR_DB)
    mel_db = np.asarray(_level_db(padded, front_end=without_floor))
    own = mel_db[:, : front_end.frame_count(sound.size)]
    return np.asarray(np.maximum(own, own.max() - front_end.top_db), DTYPE)


@functools.partial(jax.jit, static_argnames="front_end")
def _level_db(sound, *, front_end):
    return front_end.level_db(sound)


def round_up_length(samples: int) -> int:
    """Rounds a length up to one of four lengths per octave."""
    step = 2 ** max(samples.bit_length() - 3, 0)
    return -(-samples // step) * step
