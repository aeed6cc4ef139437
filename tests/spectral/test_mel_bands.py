"""Where mel bands lie, in Hz."""

import io
import sys

import librosa
import numpy as np
import pytest

from dreamsound_jax.spectral import mel_bands

CONSTANTS = {"sample_rate": 16000, "n_fft": 512, "n_mels": 96, "f_min": 50.0, "f_max": 7000.0}
make_or_read = mel_bands.mel_bands.__wrapped__  # without what this process remembers


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dreamsound_jax"


@pytest.fixture
def file(cache):
    """The file of the kept filter bank."""
    make_or_read(**CONSTANTS)
    (file,) = cache.rglob("*.npz")
    return file


def assert_is_librosas(bands):
    options = {"sr": 16000, "n_fft": 512, "n_mels": 96, "fmin": 50, "fmax": 7000}
    np.testing.assert_array_equal(bands.filters, librosa.filters.mel(**options, dtype=np.float64))
    np.testing.assert_array_equal(bands.edges, librosa.mel_frequencies(98, fmin=50, fmax=7000))


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("mel_norm", ["slaney", "none"])
@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "f_min", "f_max"),
    [(16000, 512, 64, 50, 8000), (22050, 2048, 128, 0, 11025), (44100, 1024, 40, 20, 16000)],
)
def test_each_scale_and_norm_is_librosas(rate, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm):
    sizes = {"sample_rate": rate, "n_fft": n_fft, "n_mels": n_mels, "f_min": f_min, "f_max": f_max}
    limits = {"fmin": f_min, "fmax": f_max, "htk": mel_scale == "htk"}
    norm = {"slaney": "slaney", "none": None}[mel_norm]
    for _ in ("made", "read from the cache"):
        bands = make_or_read(**sizes, mel_scale=mel_scale, mel_norm=mel_norm)
        options = {"sr": rate, "n_fft": n_fft, "n_mels": n_mels, "norm": norm, **limits}
        filters = librosa.filters.mel(**options, dtype=np.float64)
        np.testing.assert_array_equal(bands.filters, filters)
        np.testing.assert_array_equal(bands.edges, librosa.mel_frequencies(n_mels + 2, **limits))


def without_librosa(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)


def test_a_kept_filter_bank_is_read_without_librosa(file, monkeypatch):
    with monkeypatch.context() as patch:
        without_librosa(patch)
        kept = make_or_read(**CONSTANTS)
        with pytest.raises(ImportError):  # it is librosa that makes those of other constants
            make_or_read(**CONSTANTS | {"f_max": 7000.001})
        for constant in ({"mel_scale": "htk"}, {"mel_norm": "none"}):
            with pytest.raises(ImportError):
                make_or_read(**CONSTANTS | constant)
    assert_is_librosas(kept)


class Intruder:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def npz(**arrays):
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def pickled(intruder):
    """An array of Python objects in .npy format, which is a pickle."""
    data = io.BytesIO()
    np.save(data, np.array([intruder], object), allow_pickle=True)
    return data.getvalue()


EDGES, FILTERS = np.ones(98), np.ones((96, 257))
DAMAGES = {
    "empty": lambda intruder: b"",
    "text": lambda intruder: b"no filter bank",
    "cut short": lambda intruder: npz(filters=FILTERS, edges=EDGES)[:-200],
    "another shape": lambda intruder: npz(filters=FILTERS[1:], edges=EDGES),
    "too few edges": lambda intruder: npz(filters=FILTERS, edges=EDGES[1:]),
    "no edges": lambda intruder: npz(filters=FILTERS),
    "not finite": lambda intruder: npz(filters=FILTERS * np.nan, edges=EDGES),
    "edges not finite": lambda intruder: npz(filters=FILTERS, edges=EDGES * np.inf),
    "texts": lambda intruder: npz(filters=np.full((96, 257), "1"), edges=EDGES),
    "a pickle": pickled,
    "a pickle as an entry": lambda intruder: npz(
        filters=np.full((96, 257), intruder, object), edges=EDGES
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_filter_bank_that_cannot_be_used_is_made_anew(damage, file, tmp_path, monkeypatch):
    intruder = tmp_path / "unpickled"
    file.write_bytes(DAMAGES[damage](Intruder(intruder)))
    assert_is_librosas(make_or_read(**CONSTANTS))
    assert not intruder.exists()
    without_librosa(monkeypatch)
    make_or_read(**CONSTANTS)  # reads what was made


def test_a_cache_that_cannot_be_written_to_is_done_without(cache):
    cache.write_text("a file in the place of the folder")
    assert_is_librosas(make_or_read(**CONSTANTS))
