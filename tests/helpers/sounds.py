"""Sounds that several test files use, and what can be heard in them."""

from pathlib import Path

import numpy as np

from dreamsound_jax.audio import files

RATE = 22050
DATA = Path(__file__).parents[1] / "data"


def pitch(sound, rate=RATE):
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    return np.argmax(spectrum) * rate / sound.size


def tone(rate=RATE, seconds=1.0, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def white_noise(samples=51200, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, samples)


def recording(name):
    """One of the recordings in `data`, float64."""
    return np.float64(files.read_sound(str(DATA / f"{name}.flac"), sample_rate=RATE))


def original(name):
    """One of the recordings in `data` as its file has it, a `Recording`."""
    return files.read_recording(str(DATA / f"{name}.flac"))
