import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming import batch
from dreamsound_jax.networks import loading
from dreamsound_jax.system import devices
from tests.dreaming.test_ouroboros import SHORT, network, pieces
from tests.helpers import tiny


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_a_clip_is_the_same_in_a_batch_of_any_size(domain):
    """But for rounding, of which float64 has little: to 1e-3 dB."""
    given = tiny.options(domain=domain, precision="float64", **SHORT)
    model = loading.Model(tiny.CARD, network("float64"))

    def dreamed(clips):
        dreams = batch.dream_batch(model, clips, given, clock=batch.Stopwatch())
        return np.asarray(dreams.finished.mel_db), np.asarray(dreams.finished.sound)

    clips = [*pieces(), pieces(1)[0]._replace(number=2)]
    together = dreamed(clips)
    for row, clip in enumerate(clips):
        alone = dreamed([clip])
        for one, many, within in zip(alone, together, (1e-3, 1e-6)):
            np.testing.assert_allclose(one[0], many[row], atol=within)


def test_what_differs_from_clip_to_clip_is_data():
    given = tiny.options(optimizer="adam", **SHORT)
    first, second = pieces()
    changes = {"lr": 0.3, "pyramid_roll": 0, "gain_range": 6.0, "b1": 0.5, "smooth_gradient": False}
    second = second._replace(changes=changes)
    both = batch.clips([first, second], given)
    np.testing.assert_allclose(both.steps.learning_rate, [0.1, 0.3], rtol=1e-6)
    np.testing.assert_allclose(both.steps.hyper["b1"], [0.9, 0.5], rtol=1e-6)
    np.testing.assert_allclose(both.steps.hyper["b2"], [0.999, 0.999], rtol=1e-6)
    assert both.steps.smooth_gradient.tolist() == [True, False]
    assert not both.rolls[1].any()
    starts, _ = batch.gather(tiny.CARD, [first, second], given)
    assert starts.gain_range.tolist() == [24.0, 6.0]


def test_a_function_of_a_clip_takes_batches_and_what_is_shared():
    double = devices.over_clips(lambda factor, x, nothing: (factor * x, nothing), shared=1)
    values, nothing = double(2.0, jnp.arange(6.0).reshape(3, 2), None)
    assert nothing is None
    assert values.tolist() == [[0, 2], [4, 6], [8, 10]]
