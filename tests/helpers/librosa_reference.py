"""What librosa, in float64, makes of a sound with the constants of a front end."""

import inspect

import librosa
import numpy as np

from dreamsound_jax.spectral.front_end import FrontEnd

# librosa 1.0 calls the seed by another name than 0.11.
SEED = "rng" if "rng" in inspect.signature(librosa.griffinlim).parameters else "random_state"


def analyse(sound, front_end: FrontEnd):
    """The mel spectrogram of a sound (samples,) in dB, (mel bands, frames)."""
    # librosa's filter bank is float32 by default.
    options = {"sr": front_end.sample_rate, "dtype": np.float64}
    options |= _stft_options(front_end) | _mel_options(front_end)
    power = librosa.feature.melspectrogram(y=np.float64(sound), **options)
    return librosa.power_to_db(power, amin=front_end.amin, top_db=front_end.top_db)


def invert(mel_db, front_end: FrontEnd, *, seeds=(0,)):
    """A sound for each seed whose mel spectrogram is near `mel_db` (mel bands, frames)."""
    power = librosa.db_to_power(mel_db)
    options = _mel_options(front_end)
    del options["n_mels"]
    magnitude = librosa.feature.inverse.mel_to_stft(
        power, sr=front_end.sample_rate, n_fft=front_end.n_fft, **options
    )
    return [
        librosa.griffinlim(magnitude, **_stft_options(front_end), **{SEED: seed}) for seed in seeds
    ]


def rounding_db(sound, front_end: FrontEnd):
    """How far a float32 analysis of a sound may be from `analyse`, cell by cell in dB.

    Each bin of a frame is a sum that passes through values as large as the loudest bin of the
    frame. So its amplitude may be wrong by two units in the last place of that bin, which is more
    in dB the quieter the cell is: 2e-5 dB at 20 dB below, and 2e-3 dB at 60 dB below.
    """
    bins = np.abs(librosa.stft(np.float64(sound), **_stft_options(front_end)))
    options = {"sr": front_end.sample_rate, "n_fft": front_end.n_fft}
    filters = librosa.filters.mel(**options, **_mel_options(front_end), dtype=np.float64)
    power = np.maximum(filters @ bins**2, front_end.amin)
    power = np.maximum(power, power.max() * 10 ** (-front_end.top_db / 10))
    unit = np.finfo(np.float32).eps * np.sqrt(filters.sum(axis=1, keepdims=True)) * bins.max(axis=0)
    # The logarithm, and the sum over the bins of a band, round by about as much everywhere.
    return 20 * np.log10(1 + 2 * unit / np.sqrt(power)) + 3e-5


def _stft_options(front_end):
    return {
        "n_fft": front_end.n_fft,
        "hop_length": front_end.hop,
        "pad_mode": front_end.pad_mode,
    }


def _mel_options(front_end):
    return {
        "n_mels": front_end.n_mels,
        "fmin": front_end.f_min,
        "fmax": front_end.highest,
        "htk": front_end.mel_scale == "htk",
        "norm": None if front_end.mel_norm == "none" else front_end.mel_norm,
    }
