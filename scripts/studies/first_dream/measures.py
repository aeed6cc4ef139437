"""Measures how a dream differs from its input, as a listener may: in colour, in time, in events."""

from typing import NamedTuple

import librosa
import numpy as np

# Levels that are further below the loudest cell count as equal: they are not heard beside it.
AUDIBLE_DB = 60.0
N_FFT, HOP, BANDS = 2048, 512, 96


class Difference(NamedTuple):
    """How a dream differs from its input, at equal loudness.

    Attributes:
      lsd: the log-spectral distance in dB: over bands the root mean square, over frames the mean.
      tv: what of it changes in time, in dB: the same without the mean change of each band, which an
        equaliser could make.
      onset_r: the correlation of the envelopes of onsets; 1 means no new events.
    """

    lsd: float
    tv: float
    onset_r: float


def measure_difference(original: np.ndarray, dream: np.ndarray, *, sample_rate: int) -> Difference:
    """Compares two sounds (samples,) of nearly one length, at equal loudness."""
    change = measure_change(original, dream, sample_rate=sample_rate)
    in_time = change - change.mean(axis=1, keepdims=True)
    envelopes = [
        librosa.onset.onset_strength(y=sound, sr=sample_rate)
        for sound in _make_comparable(original, dream)
    ]
    correlation = np.corrcoef(*envelopes)[0, 1]
    return Difference(_distance(change), _distance(in_time), float(np.nan_to_num(correlation)))


def measure_change(original: np.ndarray, dream: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Returns the change of each cell that is heard, (bands, frames) in dB, at equal loudness."""
    before, after = (_level_db(each, sample_rate) for each in _make_comparable(original, dream))
    floor = max(before.max(), after.max()) - AUDIBLE_DB
    return np.maximum(after, floor) - np.maximum(before, floor)


def _make_comparable(*sounds):
    """Returns sounds of one length and one power."""
    samples = min(map(len, sounds))
    return [_equalise_rms(sound[:samples]) for sound in sounds]


def _equalise_rms(sound):
    return sound / np.sqrt(np.mean(np.square(sound)))


def _level_db(sound, sample_rate):
    """Returns the level of each cell, (bands, frames) in dB."""
    power = librosa.feature.melspectrogram(
        y=sound, sr=sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS
    )
    return librosa.power_to_db(power, top_db=None)


def _distance(change_db):
    return float(np.mean(np.sqrt(np.mean(np.square(change_db), axis=0))))
