"""Sounds that several test files use, and what can be heard in them."""

import numpy as np

RATE = 22050


def pitch(sound, rate=RATE):
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    return np.argmax(spectrum) * rate / sound.size


def tone(rate=RATE, seconds=1.0, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)
