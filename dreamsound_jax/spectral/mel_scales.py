"""Conversions between frequencies and mels, as librosa converts them.

They are computed here because importing librosa takes about two seconds.
"""

import numpy as np

MEL_SCALES = SLANEY, HTK = "slaney", "htk"

LINEAR_HZ_PER_MEL = 200 / 3  # Slaney's scale is linear up to 1,000 Hz, and logarithmic above.
LOG_START_HZ, LOG_START_MEL = 1000.0, 15.0
LOG_STEP = np.log(6.4) / 27
# The scale of the Hidden Markov Model Toolkit is logarithmic in the frequency plus 700 Hz.
HTK_MELS_PER_DECADE, HTK_OFFSET_HZ = 2595.0, 700.0


def hz_to_mel(hz: float, mel_scale: str) -> float:
    """Converts a frequency in Hz to mels on one of `MEL_SCALES`."""
    if mel_scale == HTK:
        return HTK_MELS_PER_DECADE * np.log10(1 + hz / HTK_OFFSET_HZ)
    if hz < LOG_START_HZ:
        return hz / LINEAR_HZ_PER_MEL
    return LOG_START_MEL + np.log(hz / LOG_START_HZ) / LOG_STEP


def mel_to_hz(mels: np.ndarray, mel_scale: str) -> np.ndarray:
    """Converts mels (n,) on one of `MEL_SCALES` to frequencies (n,) in Hz."""
    if mel_scale == HTK:
        return HTK_OFFSET_HZ * (10 ** (mels / HTK_MELS_PER_DECADE) - 1)
    logarithmic = LOG_START_HZ * np.exp(LOG_STEP * (mels - LOG_START_MEL))
    return np.where(mels < LOG_START_MEL, mels * LINEAR_HZ_PER_MEL, logarithmic)
