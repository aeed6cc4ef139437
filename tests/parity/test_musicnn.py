"""musicnn's networks, as they are shipped, against TensorFlow's numbers of them."""

import jax
import numpy as np
import pytest

from dreamsound_jax.networks.loading import load_model
from tests.helpers.sounds import DATA

STORED = np.load(DATA / "musicnn_numbers.npz")
NAMES = {"mtt": "MTT_vgg", "msd": "MSD_vgg"}
LAYERS = [str(name) for name in STORED["layers"]]
# The batch norm of the input is no layer to dream by.
INPUT = "norm0"


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return load_model(request.param)


def read_mel_power(sound):
    """The mel power of 187 frames, (mel bands, frames)."""
    return STORED[f"{sound}.mel_power"].T


def hear(model, mel_power):
    """All layers, of spectrograms that dreams have: standardised, in dB."""
    mel_db = 10 * np.log10(np.maximum(mel_power, 1e-30))
    spectrogram = model.card.front_end.standardise(mel_db)
    layers = (*LAYERS[1:], "output")
    return jax.jit(lambda network, x: network.activations(x, layers))(model.network, spectrogram)


@pytest.mark.parametrize("sound", [str(name) for name in STORED["sounds"]])
def test_all_layers_are_tensorflows(model, sound):
    name = f"{NAMES[model.card.name]}.{sound}"
    found = hear(model, read_mel_power(sound))
    for layer, shape, mean, deviation, first in zip(
        LAYERS, *(STORED[f"{name}.{what}"] for what in ("shapes", "means", "deviations", "first"))
    ):
        if layer == INPUT:
            continue
        ours = np.asarray(found[layer]).swapaxes(0, 1)
        assert ours.shape == tuple(shape), layer
        near = {"abs": 1e-5 * max(1.0, float(deviation))}
        assert ours.mean() == pytest.approx(mean, **near), layer
        assert ours.std() == pytest.approx(deviation, **near), layer
        # Each sum is rounded in proportion to the largest number of a layer.
        largest = float(np.abs(ours).max())
        assert ours.ravel()[:12] == pytest.approx(first, abs=1e-5 * largest), layer
    logits = STORED[f"{name}.logits"]
    assert np.asarray(found["output"]) == pytest.approx(
        logits, abs=1e-5 * float(np.abs(logits).max())
    )
    best = [model.card.classes[index] for index in np.argsort(-np.asarray(found["output"]))[:3]]
    assert best == [str(tag) for tag in STORED[f"{name}.best_tags"]]


def test_tags_have_their_order(model):
    assert list(model.card.classes) == [str(t) for t in STORED[f"{NAMES[model.card.name]}.tags"]]


def test_the_front_end_is_librosas(model):
    """Of the included recording; borders are zeros, as in the stored numbers."""
    from dreamsound_jax.audio.files import normalise_recording, read_recording
    from dreamsound_jax.audio.find import RECORDINGS

    recording = read_recording(str(RECORDINGS["drums"]))
    front_end = model.card.front_end
    sound = normalise_recording("drums", recording, sample_rate=front_end.sample_rate)
    shown = front_end.compress(front_end.standardise(front_end.analyse(sound)))[:, :187]
    wanted = np.log10(1 + 1e4 * read_mel_power("drums"))
    assert np.abs(np.asarray(shown) - wanted).max() < 0.05
    assert np.abs(np.asarray(shown) - wanted).mean() < 0.001
