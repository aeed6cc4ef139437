"""What a run leaves of its clips, and what every clip promises."""

import io
import json

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.loudness import measure_loudness

# The files of a run beside those of its clips.
OF_RUN = {"index.html", "manifest-000.jsonl", "params.json"}


def facts_of(wav) -> dict:
    """Returns what the .json beside a .wav says."""
    return json.loads(wav.with_suffix(".json").read_text())


def records_of(folder) -> list[dict]:
    """Returns the lines of all manifests of a run that are whole, as they stand."""
    paths = sorted(folder.glob("manifest-*.jsonl"))
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def files_of(folder) -> dict[str, bytes]:
    """Returns {name: bytes} of the sounds and arrays of a run."""
    paths = [path for path in folder.iterdir() if path.suffix in (".wav", ".npz")]
    return {p.name: samples_of(p) if p.suffix == ".wav" else p.read_bytes() for p in paths}


def samples_of(wav):
    """Returns the samples of a sound, here or in a store, as bytes, without its tags."""
    return soundfile.read(io.BytesIO(wav.read_bytes()), dtype="float64")[0].tobytes()


def check_clip(wav, *, frames, form, plots=True):
    """Checks a dream: its files are whole, its sound is safe, and nothing is NaN.

    `form` is the sound's (sample rate, samples, channels); `plots` is whether it has a picture.
    """
    sound, rate = soundfile.read(wav, always_2d=True)
    assert (rate, *sound.shape) == form
    assert np.sqrt(np.mean(sound**2)) > 1e-3
    loudness = measure_loudness(sound, sample_rate=rate)
    assert loudness.true_peak_dbtp < -1
    assert loudness.lufs == pytest.approx(-23, abs=0.2)
    facts = facts_of(wav)
    assert (facts["sample_rate"], facts["channels"]) == (rate, sound.shape[1])
    assert facts["seconds"] == pytest.approx(len(sound) / rate)
    assert facts["loudness_lufs"] == pytest.approx(loudness.lufs, abs=0.01)
    arrays = np.load(wav.with_suffix(".npz"))
    mel_db = arrays["mel_db"]
    assert mel_db.shape == (2, 128, frames)
    assert np.isfinite(mel_db).all()
    assert np.abs(mel_db[1] - mel_db[0]).mean() > 0.1
    assert ("gain_db" in arrays) == (facts["domain"] == "sound")
    if "gain_db" in arrays:
        assert arrays["gain_db"].shape == mel_db.shape[1:]
        assert 1 < np.abs(arrays["gain_db"]).max() <= 24
    if plots:
        assert wav.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
