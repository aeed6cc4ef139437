import jax
import numpy as np
import pytest
from etils import epath

from dreamsound_jax.dreaming import ascent
from dreamsound_jax.networks import loading
from dreamsound_jax.outputs import saved_rounds
from dreamsound_jax.outputs.saved_rounds import Rounds
from dreamsound_jax.run import journey
from tests.dreaming.test_ouroboros import asked, network, pieces
from tests.helpers import tiny

FLAT, OVERFLOW = ascent.ZERO_GRADIENT, ascent.NON_FINITE_GRADIENT


def rounds_with(fault, overcooked=(1, 1, 1, 1)):
    faults = np.array(fault)[:, None, None]
    return Rounds(None, None, np.array(overcooked), None, None, faults)


@pytest.mark.parametrize(
    ("changes", "fault", "expected"),
    [
        ({}, [0, 0, 0, 0], 4),
        ({}, [0, 0, FLAT, 0], 2),
        ({}, [0, OVERFLOW, 0, 0], 1),
        ({"layers_to_use": ["iterate"]}, [0, FLAT, OVERFLOW, 0], 2),
        ({"stop_overcooked": 1.0}, [0, 0, 0, 0], 4),
        ({"stop_overcooked": 0.9}, [0, 0, 0, 0], 0),
    ],
)
def test_a_clip_lasts_until_it_stops_or_overcooks(changes, fault, expected):
    assert journey.lasting(rounds_with(fault), asked(**changes)) == expected


class Watch:
    """What a run tells of how far it is: notes how much is on the device, and may stop the run."""

    def __init__(self, stop_at=None):
        self.bytes, self._stop_at = [], stop_at

    def __call__(self, words):
        self.bytes.append(sum(array.nbytes for array in jax.live_arrays()))
        if len(self.bytes) == self._stop_at:
            raise InterruptedError


def run(folder, tell):
    """Two clips, of eight rounds: {name: their sound and arrays}."""
    given = asked(ouroboros_length=8, save_every=0.0, pyramid_size=1, batch_size=2)
    model, folder = loading.Model(tiny.CARD, network()), epath.Path(folder)
    dreamed = journey.dream(model, pieces(), given, folder=folder, tell=tell)
    clips = [make() for make in dreamed.makers]
    dreamed.close()
    return clips


@pytest.mark.slow
def test_a_longer_ouroboros_takes_no_more_of_the_device(tmp_path):
    watch = Watch()
    assert len(run(tmp_path, watch)) == 2
    assert len(watch.bytes) == 8
    assert max(watch.bytes[3:]) <= max(watch.bytes[:3]) * 1.001


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    with pytest.raises(InterruptedError):
        run(tmp_path / "parts", Watch(stop_at=5))
    parts = epath.Path(tmp_path / "parts")
    assert saved_rounds.list_unfinished_batches(parts) == [[0, 1]]
    watch = Watch()
    resumed = run(parts, watch)
    assert len(watch.bytes) == 4
    for one, other in zip(resumed, run(tmp_path / "whole", Watch()), strict=True):
        assert one.sound.wav == other.sound.wav
        np.testing.assert_array_equal(one.arrays["mel_db"], other.arrays["mel_db"])
    assert saved_rounds.list_unfinished_batches(parts) == []
    assert not list((tmp_path / "parts" / "unfinished").iterdir())


class Vanishing:
    """A folder whose files another process removes while they are listed, or read."""

    def __init__(self, found):
        self._found = found

    def __truediv__(self, name):
        return self

    def iterdir(self):
        if self._found is None:
            raise FileNotFoundError
        return self._found


@pytest.mark.parametrize("found", [None, ["gone-state.npz"]])
def test_what_another_process_removes_meanwhile_is_passed_over(tmp_path, found):
    folder = Vanishing(found and [epath.Path(tmp_path) / name for name in found])
    assert saved_rounds.list_unfinished_batches(folder) == []
