"""Mel bands without a bin of the FFT."""

import re

import librosa
import numpy as np
import pytest

from dreamsound_jax.spectral.empty_bands import check_bands
from dreamsound_jax.system.errors import UserError

RATES, SIZES, COUNTS = (16000, 22050, 32000), (256, 441, 1024), (20, 64, 76, 77, 128, 132, 133, 250)


def has_empty_band_in_librosa(rate, n_fft, n_mels, f_min, f_max, mel_scale):
    filters = librosa.filters.mel(
        sr=rate,
        n_fft=n_fft,
        n_mels=n_mels,
        fmin=f_min,
        fmax=f_max,
        htk=mel_scale == "htk",
        dtype=np.float64,
    )
    return not filters.any(axis=1).all()


def refusal(rate, n_fft, n_mels, f_min, f_max, mel_scale="slaney"):
    """The message that refuses these bands, or None."""
    limits = {"f_min": f_min, "f_max": f_max, "mel_scale": mel_scale}
    try:
        check_bands(sample_rate=rate, n_fft=n_fft, n_mels=n_mels, **limits)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("rate", RATES)
def test_bands_are_refused_where_librosas_are_empty_and_what_is_advised_fits(rate, mel_scale):
    refused = 0
    for n_fft in SIZES:
        for n_mels in COUNTS:
            for limits in ((0.0, rate / 2, mel_scale), (50.0, 3800.0, mel_scale)):
                message = refusal(rate, n_fft, n_mels, *limits)
                empty = has_empty_band_in_librosa(rate, n_fft, n_mels, *limits)
                assert (message is not None) == empty
                if not empty:
                    continue
                refused += 1
                assert "\n" not in message
                fewer = int(re.search(r"n_mels of at most (\d+)", message)[1])
                longer = int(re.search(r"n_fft of (\d+)", message)[1])
                assert not has_empty_band_in_librosa(rate, n_fft, fewer, *limits)
                assert not has_empty_band_in_librosa(rate, longer, n_mels, *limits)
    assert 10 < refused < 48


def test_numbers_that_no_fft_could_meet_are_refused_at_once():
    assert "use n_mels of at most 132" in refusal(22050, 441, 10**9, 0.0, 11025.0)
    assert "use a wider range" in refusal(22050, 441, 128, 1001.0, 1001.1)
