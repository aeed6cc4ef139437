"""The steps of a dream in the Python API, against the dream itself, with a tiny network."""

import jax
import numpy as np
import pytest

import dreamsound_jax as ds
from dreamsound_jax import objectives as to
from tests.helpers import tiny
from tests.helpers.sounds import original

SHORT = {"pyramid_size": 1, "num_iterations": 2, "lr": 0.1}


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def drums():
    """A second of stereo drums at 44,100 Hz, (2, samples)."""
    return original("loop_amen").channels[:30000].T


@pytest.fixture(scope="module")
def objective(drums):
    """An objective that knows the input, and a guide."""
    return ds.layer("relu2_2") + 0.5 * to.guide("relu2_1", drums[0], 44100) + 3 * to.stay_near()


@pytest.fixture(scope="module")
def dream(model, drums, objective):
    return ds.dream(drums, 44100, model, objective=objective, **SHORT)


def test_each_step_is_that_of_the_dream(model, drums, objective, dream):
    input_db = ds.analyse(drums, 44100, model)
    np.testing.assert_allclose(input_db, dream.input_db, atol=1e-3)
    before = ds.measure_objective(input_db, model, objective)
    assert before == pytest.approx(dream.objective_before, rel=1e-4)
    after = ds.measure_objective(dream.spectrogram_db, model, objective, input_db=input_db)
    assert after == pytest.approx(dream.objective_after, rel=1e-4)
    # Without the input, what was changed is not counted against it.
    assert ds.measure_objective(dream.spectrogram_db, model, objective) > after + 0.01
    heard = ds.class_probabilities(dream.spectrogram_db, model)
    assert heard == pytest.approx(dream.class_probabilities, abs=1e-5)
    distance = ds.measure_distance(input_db, dream.spectrogram_db)
    assert float(distance) == pytest.approx(dream.distance_db, abs=1e-3)
    sound = ds.apply_gain(drums, 44100, model, gain_db=dream.change_db)
    np.testing.assert_allclose(sound, dream.sound, atol=1e-4)
    mono = ds.apply_gain(drums[0], 44100, model, gain_db=dream.change_db)
    assert mono.shape == drums[0].shape


def test_a_step_along_the_gradient_raises_the_objective(model, drums, objective):
    mel_db = ds.analyse(drums, 44100, model)
    gradient = jax.grad(ds.measure_objective)(mel_db, model, objective, input_db=mel_db)
    step = 0.01 * gradient / np.std(gradient)
    there, back = (
        ds.measure_objective(mel_db + sign * step, model, objective, input_db=mel_db)
        for sign in (1, -1)
    )
    assert float(there - back) == pytest.approx(2 * float((gradient * step).sum()), rel=0.02)


def test_text_means_the_same_objective(model, drums):
    mel_db = ds.analyse(drums, 44100, model)
    typed = ds.measure_objective(mel_db, model, "channel(relu2_2, 3) - layer(relu1_1)")
    built = ds.measure_objective(mel_db, model, to.channel("relu2_2", 3) - ds.layer("relu1_1"))
    assert float(typed) == float(built)


def test_activations_are_those_that_objectives_read(model, drums):
    mel_db = ds.analyse(drums, 44100, model)
    found = ds.activations(mel_db, model, ["relu2_2", "output"])
    rows, columns, channels = found["relu2_2"].shape
    assert (rows, columns) == (64, mel_db.shape[1] // 2)
    assert found["output"].shape == (len(model.card.classes),)
    mean = found["relu2_2"][..., channels - 1].mean()
    measured = ds.measure_objective(mel_db, model, to.channel("relu2_2", channels - 1))
    assert float(measured) == pytest.approx(float(mean), rel=1e-4)


def test_a_few_frames_are_heard_as_if_they_were_repeated(model, drums):
    short = ds.analyse(drums, 44100, model)[:, :12]  # relu5_1 needs 16 frames, the classes 32.
    once, twice = (ds.activations(np.tile(short, n), model, ["relu5_1"]) for n in (1, 2))
    np.testing.assert_allclose(once["relu5_1"], twice["relu5_1"], rtol=1e-5)
    once, thrice = (ds.class_probabilities(np.tile(short, n), model) for n in (1, 3))
    assert once == pytest.approx(thrice, abs=1e-5)


def test_what_cannot_be_taken_is_named(model, drums):
    mel_db = ds.analyse(drums, 44100, model)
    bands, frames = mel_db.shape
    with pytest.raises(ds.UserError, match="did you mean relu2_2"):
        ds.activations(mel_db, model, ["relu22"])
    with pytest.raises(ds.UserError, match="no layer 'relu9_9'"):
        ds.measure_objective(mel_db, model, "layer(relu9_9)")
    with pytest.raises(ds.UserError, match="must be an Objective such as"):
        ds.measure_objective(mel_db, model, ["relu2_2"])
    with pytest.raises(ds.UserError, match=r"the shape \(128, frames\), and has \(75, 128\)"):
        ds.class_probabilities(mel_db.T, model)
    with pytest.raises(ds.UserError, match=rf"the shape \({bands}, {frames}\) of the sound's"):
        ds.apply_gain(drums, 44100, model, gain_db=mel_db[:, 1:])
    with pytest.raises(ds.UserError, match="cells that are NaN or infinite"):
        ds.apply_gain(drums, 44100, model, gain_db=np.full_like(mel_db, np.nan))
    with pytest.raises(ds.UserError, match="and several are given"):
        ds.analyse([drums], 44100, model)
    with pytest.raises(ds.UserError, match="the sound' is silent"):
        ds.analyse(np.zeros(22050), 22050, model)
    with pytest.raises(ds.UserError, match="the sample rate must be a whole number above 0"):
        ds.analyse(drums, 0, model)
