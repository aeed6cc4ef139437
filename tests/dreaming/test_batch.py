"""A batch from spectrograms to dreamed sounds."""

import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.system import devices
from tests.helpers import tiny
from tests.helpers.rounds import SHORT, pieces


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_a_clip_is_the_same_in_a_batch_of_any_size(domain):
    """Except for rounding, of which float64 has little: to 1e-3 dB."""
    plan = tiny.plan(domain=domain, precision="float64", **SHORT)
    model = tiny.tiny_model(dtype="float64")

    def dream(sources):
        clips, input_db = place_clips(sources)
        dreamed = dream_batch(
            model,
            clips,
            place_settings(sources),
            input_db=input_db,
            program=plan.clips[0].program(),
        )
        return np.asarray(dreamed.rendered.mel_db), np.asarray(dreamed.rendered.sound)

    sources = [*pieces(plan), pieces(plan)[0]]
    together = dream(sources)
    for row, source in enumerate(sources):
        for one, many, tolerance in zip(dream([source]), together, (1e-3, 1e-6)):
            np.testing.assert_allclose(one[0], many[row], atol=tolerance)


def test_what_differs_from_clip_to_clip_is_data():
    given = {**SHORT, "optimizer": "adam"}
    changes = {"lr": 0.3, "pyramid_roll": 0, "gain_range": 6.0, "b1": 0.5, "smooth_gradient": False}
    plans = [tiny.plan(**given), tiny.plan(**{**given, **changes})]
    assert plans[0].clips[0].static == plans[1].clips[0].static
    sources = [pieces(plan)[row] for row, plan in enumerate(plans)]
    settings = place_settings(sources)
    np.testing.assert_allclose(settings.steps.learning_rate, [0.1, 0.3], rtol=1e-6)
    np.testing.assert_allclose(settings.steps.hyperparameters["b1"], [0.9, 0.5], rtol=1e-6)
    np.testing.assert_allclose(settings.steps.hyperparameters["b2"], [0.999, 0.999], rtol=1e-6)
    assert settings.steps.smooth_gradient.tolist() == [True, False]
    assert settings.rolls[0].any()
    assert not settings.rolls[1].any()
    clips, _ = place_clips(sources)
    assert clips.gain_range.tolist() == [24.0, 6.0]


def test_a_function_of_a_clip_takes_batches_and_what_is_shared():
    double = devices.over_clips(lambda factor, x, nothing: (factor * x, nothing), shared=1)
    values, nothing = double(2.0, jnp.arange(6.0).reshape(3, 2), None)
    assert nothing is None
    assert values.tolist() == [[0, 2], [4, 6], [8, 10]]


@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_the_objective_of_the_input_can_be_compared_with_that_of_the_dream(domain):
    """Both at full resolution: without a step they are the same."""
    model = tiny.tiny_model()

    def dream(lr):
        plan = tiny.plan(domain=domain, **{**SHORT, "lr": lr, "pyramid_size": 2})
        clips, input_db = place_clips(pieces(plan))
        return dream_batch(
            model,
            clips,
            place_settings(pieces(plan)),
            input_db=input_db,
            program=plan.clips[0].program(),
        )

    still, moved = dream(0.0), dream(0.05)
    np.testing.assert_allclose(still.after.objective, still.before.objective, rtol=0.02)
    np.testing.assert_array_equal(moved.before.objective, still.before.objective)
    assert (moved.after.objective > 1.02 * moved.before.objective).all()
