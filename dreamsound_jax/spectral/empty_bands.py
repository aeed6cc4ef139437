"""Refuses mel bands that lie between two bins of the FFT, which would hear nothing."""

import functools

import numpy as np

from dreamsound_jax.spectral.mel_scales import SLANEY, hz_to_mel, mel_to_hz
from dreamsound_jax.system.errors import UserError


def check_bands(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    mel_scale: str = SLANEY,
) -> None:
    """Checks that each mel band contains a bin of the FFT; takes the arguments of `mel_bands`.

    Raises:
      UserError: a band contains none; the message says how many bands, or which FFT, would fit.
    """
    limits = {"f_min": f_min, "f_max": f_max, "mel_scale": mel_scale}
    bin_width = sample_rate / n_fft
    if n_mels <= n_fft + 2 and not _has_empty_band(n_mels, bin_width=bin_width, **limits):
        return
    fewer = _find_most_bands(n_fft, bin_width=bin_width, **limits)
    longer = _find_longer_fft(n_mels, sample_rate, n_fft, **limits)
    ways = [f"n_mels of at most {fewer}"] if fewer else []
    ways += [f"n_fft of {longer}"] if longer else []
    advice = " or ".join(ways) or "a wider range"
    raise UserError(
        f"{n_mels} mel bands from {f_min:g} to {f_max:g} Hz are too narrow: some contain no bin of "
        f"the FFT, whose bins are {bin_width:.4g} Hz apart; use {advice}"
    )


@functools.lru_cache(maxsize=64)
def _has_empty_band(n_mels, *, bin_width, f_min, f_max, mel_scale):
    """Returns whether a band has no bin strictly between its lower and its upper edge."""
    lowest, highest = (hz_to_mel(hz, mel_scale) for hz in (f_min, f_max))
    edges = mel_to_hz(np.linspace(lowest, highest, n_mels + 2), mel_scale)
    first_bins = (np.floor(edges[:-2] / bin_width) + 1) * bin_width
    return bool((first_bins >= edges[2:]).any())


def _find_most_bands(n_fft, **spacing):
    """Returns the largest number of bands that fit; 0 if none do. A bin is in at most two bands."""
    fitting, too_many = 0, n_fft + 3
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        if _has_empty_band(middle, **spacing):
            too_many = middle
        else:
            fitting = middle
    return fitting


def _find_longer_fft(n_mels, sample_rate, n_fft, **limits):
    """Returns the first of 2, 4, 8, ... times `n_fft` with a bin in each band, or None."""
    for longer in (n_fft * 2**octaves for octaves in range(1, 8)):
        bin_width = sample_rate / longer
        if n_mels <= longer + 2 and not _has_empty_band(n_mels, bin_width=bin_width, **limits):
            return longer
    return None
