"""Sounds that several test files use, and a measure of them."""

from pathlib import Path

import numpy as np

from dreamsound_jax.audio import files

RATE = 22050
DATA = Path(__file__).parents[1] / "data"


def pitch(sound, rate=RATE):
    """Returns the frequency in Hz at which a sound is loudest."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    return np.argmax(spectrum) * rate / sound.size


def tone(rate=RATE, seconds=1.0, frequency=440.0):
    """Returns a sine of amplitude 0.5, float64 (samples,)."""
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def white_noise(samples=51200, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, samples)


def recording(name):
    """Reads one of the recordings in `data` as the networks hear it, float64 (samples,)."""
    return np.float64(files.read_sound(str(DATA / f"{name}.flac"), sample_rate=RATE))


def original(name):
    """Reads one of the recordings in `data` as a `Recording`, as it is in its file."""
    return files.read_recording(str(DATA / f"{name}.flac"))


def measure_heard_parts(channels, rate):
    """Returns the RMS of what networks hear of (channels, samples), and of two parts unheard.

    They hear the mono sound up to 11,025 Hz. The other parts are how the channels differ from it up
    to there, and what is above.
    """
    spectra, hz = np.fft.rfft(channels), np.fft.rfftfreq(channels.shape[1], 1 / rate)
    low, mono = hz <= RATE / 2, spectra.mean(axis=0, keepdims=True)
    parts = np.where(low, mono, 0), np.where(low, spectra - mono, 0), np.where(low, 0, spectra)
    return [np.sqrt(np.mean(np.abs(part) ** 2)) for part in parts]
