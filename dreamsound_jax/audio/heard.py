"""How much of a sound lies where a network hears."""

import numpy as np

# Frames of so many samples measure in which band the energy of a sound lies.
_FRAME = 4096


def measure_heard_db(
    mono: np.ndarray, resampled: np.ndarray, *, sample_rate: int, band: tuple[float, float]
) -> float:
    """Measures by how many dB what a network hears of a sound is quieter than the sound.

    Args:
      mono: (samples,) at any sample rate; not silent.
      resampled: the same at the sample rate of the network.
      sample_rate: of the network, in Hz.
      band: the lowest and the highest frequency that the network hears, in Hz.

    Returns:
      A level in dB, about 0 or below it; -inf if nothing is left.

    Example:
      >>> tone = np.sin(2 * np.pi * 6000 / 22050 * np.arange(22050))
      >>> round(measure_heard_db(tone, tone, sample_rate=22050, band=(0, 11025)))
      0
      >>> measure_heard_db(tone, tone, sample_rate=22050, band=(0, 4000)) < -60
      True
    """
    power, heard = (np.mean(np.square(each, dtype=np.float64)) for each in (mono, resampled))
    lowest, highest = band
    if lowest > 0 or highest < sample_rate / 2:
        heard *= _share_inside(resampled, sample_rate, lowest, highest)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(heard / power))


def _share_inside(sound, sample_rate, lowest, highest):
    """Returns the share of the energy of a sound that lies between two frequencies."""
    from scipy.signal import welch

    frequencies, power = welch(sound, sample_rate, nperseg=min(_FRAME, len(sound)), detrend=False)
    inside = (frequencies >= lowest) & (frequencies <= highest)
    return power[inside].sum() / max(power.sum(), np.finfo(power.dtype).tiny)
