"""Mel filter banks: librosa makes them once, and a cache folder keeps them.

Importing librosa's filters takes about two seconds, so a start that finds its filter bank in the
cache does without.
"""

import functools
import io
import logging
from typing import NamedTuple

import numpy as np

from dreamsound_jax.spectral.mel_scales import HTK, SLANEY
from dreamsound_jax.system.cache import user_cache_folder
from dreamsound_jax.system.storage import write_whole

log = logging.getLogger(__name__)

NO_NORM = "none"
MEL_NORMS = (SLANEY, NO_NORM)


class MelBands(NamedTuple):
    """A mel filter bank, float64.

    Attributes:
      filters: (n_mels, 1 + n_fft // 2), the weight of each STFT bin in each band.
      edges: (n_mels + 2,) in Hz; band i rises from edges[i], peaks at edges[i + 1] and falls to
        edges[i + 2].
    """

    filters: np.ndarray
    edges: np.ndarray


@functools.cache
def mel_bands(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    mel_scale: str = SLANEY,
    mel_norm: str = SLANEY,
) -> MelBands:
    """Returns the filter bank of `librosa.filters.mel`.

    Args:
      sample_rate: in Hz.
      n_fft: samples in a frame.
      n_mels: number of bands.
      f_min, f_max: the lowest and the highest frequency, in Hz.
      mel_scale: one of `mel_scales.MEL_SCALES`.
      mel_norm: one of `MEL_NORMS`: "slaney" gives all filters one area, "none" a peak of 1.

    Example:
      >>> bands = mel_bands(sample_rate=22050, n_fft=441, n_mels=128, f_min=0.0, f_max=11025.0)
      >>> bands.filters.shape, bands.edges.shape
      ((128, 221), (130,))
    """
    name = f"mel-{sample_rate}-{n_fft}-{n_mels}-{float(f_min)}-{float(f_max)}"
    if (mel_scale, mel_norm) != (SLANEY, SLANEY):
        name += f"-{mel_scale}-{mel_norm}"
    file = user_cache_folder() / "mel" / f"{name}.npz"
    bands = _read(file, shapes=((n_mels, 1 + n_fft // 2), (n_mels + 2,)))
    if bands is None:
        bands = _make(sample_rate, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm)
        _write(file, bands)
    return bands


def _make(sample_rate, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm):
    import librosa

    spacing = {"fmin": f_min, "fmax": f_max, "htk": mel_scale == HTK}
    options = {"norm": None if mel_norm == NO_NORM else mel_norm, "dtype": np.float64}
    filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, **options, **spacing)
    return MelBands(filters, librosa.mel_frequencies(n_mels + 2, **spacing))


def _read(file, *, shapes):
    """Returns the kept filter bank, or None if there is none of finite arrays of these shapes."""
    try:
        with np.load(io.BytesIO(file.read_bytes())) as kept:
            bands = MelBands(kept["filters"], kept["edges"])
    except Exception:  # a damaged file can raise anything; the filter bank is made again
        return None
    if any(each.dtype != np.float64 or each.shape != shape for each, shape in zip(bands, shapes)):
        return None
    return bands if all(np.isfinite(each).all() for each in bands) else None


def _write(file, bands):
    data = io.BytesIO()
    np.savez(data, **bands._asdict())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(file), data.getvalue(), shared=True)
    except Exception as error:  # without a cache the next start takes two seconds longer
        log.debug("the mel filter bank is not kept: %s", error)
