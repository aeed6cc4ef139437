"""Synthesises inputs: a chord, bursts of noise, bells and a gliding tone, all at 22,050 Hz.

They are like no recording, and the same each time.
"""

import numpy as np
from scipy import signal

from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE


def chord(samples: int) -> np.ndarray:
    """Synthesises a minor chord of sawtooth waves that swells: (samples,)."""
    time = np.arange(samples) / SAMPLE_RATE
    waves = [_sawtooth(np.full(samples, hz)) for hz in (110.0, 220.6, 261.6, 329.6)]
    return sum(waves) * (0.2 + np.sin(np.pi * time / time[-1]) ** 2)


def bursts(samples: int) -> np.ndarray:
    """Synthesises six bursts of noise a second, low and high in turn: (samples,)."""
    time = np.arange(samples) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(samples)
    low, high = (
        signal.sosfilt(signal.butter(2, edges, "band", fs=SAMPLE_RATE, output="sos"), noise)
        for edges in ((150, 500), (2500, 7000))
    )
    is_low = np.floor(6 * time) % 2 == 0
    return np.where(is_low, 3 * low, high) * np.exp(-18 * (time % (1 / 6)))


def bells(samples: int) -> np.ndarray:
    """Synthesises four inharmonic strokes a second, each decaying: (samples,)."""
    time = np.arange(samples) / SAMPLE_RATE
    pitch = np.array([620.0, 465.0, 830.0, 550.0])[np.floor(4 * time).astype(int) % 4]
    since = time % 0.25
    partials = (1, 2.76, 5.4, 8.93)
    return sum(
        np.exp(-(6 + 3 * number) * since) * np.sin(2 * np.pi * ratio * pitch * since) / number
        for number, ratio in enumerate(partials, 1)
    )


def glide(samples: int) -> np.ndarray:
    """Synthesises a sawtooth wave that glides up two octaves, over hiss: (samples,)."""
    time = np.arange(samples) / SAMPLE_RATE
    hz = 130 * 4 ** (time / time[-1]) * (1 + 0.02 * np.sin(2 * np.pi * 5 * time))
    return _sawtooth(hz) + 0.02 * np.random.default_rng(1).standard_normal(samples)


def _sawtooth(hz):
    """Sums harmonics up to 9 kHz of a wave of these frequencies (samples,), without aliases."""
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    count = int(9000 / hz.max())
    return sum(np.sin(number * phase) / number for number in range(1, count + 1))
