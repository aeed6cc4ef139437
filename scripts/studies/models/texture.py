"""Measures the texture of a change: how long and how high its pieces are, and its treble."""

from typing import NamedTuple

import librosa
import numpy as np

from studies.first_dream.dreams import Mono
from studies.first_dream.measures import HOP, N_FFT, measure_change

TREBLE_HZ = 4000


class Texture(NamedTuple):
    """The texture of a change.

    Attributes:
      seconds: How long the pieces are that become louder or quieter: the width in time of the peak
        of the change's correlation with itself, at half its height.
      bands: How high they are, in mel bands: the same over the bands.
      treble_db: How much larger the share of the power above `TREBLE_HZ` is, in dB.
    """

    seconds: float
    bands: float
    treble_db: float


def measure_texture(original: Mono, dream: Mono) -> Texture:
    """Measures the change between two sounds of one sample rate."""
    rate = original.sample_rate
    change = measure_change(original.sound, dream.sound, sample_rate=rate)
    in_time = change - change.mean(axis=1, keepdims=True)
    before, after = (_measure_treble(each) for each in (original, dream))
    return Texture(
        _measure_width(in_time) * HOP / rate,
        _measure_width(in_time.T),
        10 * np.log10(after / before),
    )


def _measure_width(rows):
    """Returns the width in columns of the peak of the correlation of rows with themselves."""
    power = np.sum(np.square(rows)) or 1.0
    count = rows.shape[1]
    r = [np.sum(rows[:, lag:] * rows[:, : count - lag]) / power for lag in range(count)]
    after = int(np.argmax(np.array(r) < 0.5))
    if after == 0:
        return float(count)
    return 2 * (after - (0.5 - r[after]) / (r[after - 1] - r[after]))


def _measure_treble(mono):
    """Returns the share of the power of a sound that lies above `TREBLE_HZ`."""
    power = np.square(np.abs(librosa.stft(mono.sound, n_fft=N_FFT, hop_length=HOP)))
    is_high = librosa.fft_frequencies(sr=mono.sample_rate, n_fft=N_FFT) > TREBLE_HZ
    return np.sum(power[is_high]) / np.sum(power)
