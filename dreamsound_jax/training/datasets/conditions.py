"""The conditions in which rendered phrases are recorded: rooms, noise, equalisers and speeds.

All sounds are (samples,) at 22,050 Hz, and depend on the random generator `rng` alone.
"""

import numpy as np
import soxr
from scipy import signal

from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE

NOISE_DB = (-90, -30)  # The noise's standard deviation, relative to the phrase's peak.
REVERB_PROBABILITY = 0.5
REVERB_SECONDS = (0.2, 1.5)  # The time in which the reverberation decays by 60 dB.
REVERB_GAIN = (0.1, 0.6)

# In wide conditions only:
WIDE_NOISE_DB = (-90, -20)
NOISE_SLOPE = (0, 2)  # The power falls by frequency to this power: from white to brown noise.
EQUALISER_PROBABILITY = 0.7
EQUALISER_OCTAVES = 8  # Random gains, one for each octave from 43 Hz up.
EQUALISER_DB = 6  # Their standard deviation.
SPEED_PROBABILITY = 0.5
SPEED_SEMITONES = 3  # Pitch and speed together change by up to this.
TELEPHONE_PROBABILITY = 0.15
TELEPHONE_HERTZ = ((80, 400), (3000, 8000))  # The band that is left begins and ends in these.


def add_room_and_noise(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """Returns the sound in a random room (half of the time), over white noise, with a peak of 1."""
    if rng.uniform() < REVERB_PROBABILITY:
        sound = _reverberate(rng, sound)
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    sound = sound / np.abs(sound).max() + level * rng.standard_normal(sound.size)
    return sound / np.abs(sound).max()


def record_anywhere(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """Returns the sound in wide conditions, with a peak of 1.

    Its speed may change, and with it its pitch. Then it may pass an equaliser, a room and a narrow
    band, and noise of a random colour is added.
    """
    if rng.uniform() < SPEED_PROBABILITY:
        sound = _change_speed(rng, sound)
    if rng.uniform() < EQUALISER_PROBABILITY:
        sound = _equalise(rng, sound)
    if rng.uniform() < REVERB_PROBABILITY:
        sound = _reverberate(rng, sound)
    if rng.uniform() < TELEPHONE_PROBABILITY:
        low, high = (rng.uniform(*edge) for edge in TELEPHONE_HERTZ)
        band = signal.butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
        sound = signal.sosfilt(band, sound)
    level = 10 ** (rng.uniform(*WIDE_NOISE_DB) / 20)
    sound = sound / np.abs(sound).max() + level * _draw_noise(rng, sound.size)
    return sound / np.abs(sound).max()


def mix(sound: np.ndarray, other: np.ndarray, *, level_db: float) -> np.ndarray:
    """Adds another sound at a level relative to the RMS of the first. A silent one adds nothing."""
    rms = np.sqrt(np.mean(np.square(other)))
    if rms == 0:
        return sound
    return sound + other * (np.sqrt(np.mean(np.square(sound))) / rms * 10 ** (level_db / 20))


def _reverberate(rng, sound):
    """Adds the sound's convolution with noise that decays exponentially."""
    time = np.arange(int(REVERB_SECONDS[1] * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(time.size) * 10 ** (-3 * time / rng.uniform(*REVERB_SECONDS))
    reverberation = signal.fftconvolve(sound, tail / np.linalg.norm(tail))[: sound.size]
    return sound + rng.uniform(*REVERB_GAIN) * reverberation


def _change_speed(rng, sound):
    """Plays the sound faster or slower. A shorter one is repeated, so that the length stays."""
    factor = 2 ** (rng.uniform(-SPEED_SEMITONES, SPEED_SEMITONES) / 12)
    changed = soxr.resample(sound, SAMPLE_RATE * factor, SAMPLE_RATE)
    return np.resize(changed, sound.size)


def _equalise(rng, sound):
    """Multiplies the spectrum by random gains, which are interpolated between octaves."""
    frequencies = np.maximum(np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE), 1)
    octaves = np.log2(frequencies * 2**EQUALISER_OCTAVES / (SAMPLE_RATE / 2))
    gains = rng.normal(0, EQUALISER_DB, EQUALISER_OCTAVES + 1)
    curve = 10 ** (np.interp(octaves, np.arange(EQUALISER_OCTAVES + 1), gains) / 20)
    return np.fft.irfft(np.fft.rfft(sound) * curve, sound.size)


def _draw_noise(rng, samples):
    """Returns noise of a random colour, with a standard deviation of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 20)
    noise = np.fft.irfft(spectrum * frequencies ** (-rng.uniform(*NOISE_SLOPE) / 2), samples)
    return noise / noise.std()
