import jax
import numpy as np
import pytest

from dreamsound_jax import ascent, journey, models
from dreamsound_jax.unfinished import Rounds
from tests import tiny
from tests.test_ouroboros import asked, network, pieces

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
    """A progress bar that notes how much is on the device, and may stop a run."""

    def __init__(self, stop_at=None):
        self.bytes, self._stop_at = [], stop_at

    def update(self, count=1):
        self.bytes.append(sum(array.nbytes for array in jax.live_arrays()))
        if len(self.bytes) == self._stop_at:
            raise InterruptedError


def run(folder, bar, **changes):
    given = asked(ouroboros_length=8, save_every=0.0, pyramid_size=1, batch_size=2, **changes)
    model = models.Model(tiny.CARD, network())
    return journey.dream_and_write(model, pieces(), given, folder=folder, bar=bar)


def test_a_longer_ouroboros_takes_no_more_of_the_device(tmp_path):
    watch = Watch()
    assert run(tmp_path, watch) == 0
    rounds = watch.bytes[1:9]
    assert max(rounds[3:]) <= max(rounds[:3]) * 1.001


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    with pytest.raises(InterruptedError):
        run(tmp_path / "parts", Watch(stop_at=5))
    assert list((tmp_path / "parts" / "unfinished").iterdir())
    watch = Watch()
    run(tmp_path / "parts", watch)
    assert len(watch.bytes) < 9
    run(tmp_path / "whole", Watch())
    for name in ("00000-a.wav", "00001-a.npz"):
        parts, whole = ((tmp_path / folder / name).read_bytes() for folder in ("parts", "whole"))
        assert parts == whole
    assert not (tmp_path / "parts" / "unfinished").exists()
