"""The study of domains, without dreams."""

import numpy as np
import pytest

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.sources import Source
from studies.domains import dreams, page
from tests.helpers import tiny


def make_dreamed(distance=1.0, hits=2):
    """Makes the dreams of three classes, of which the first `hits` are heard as wanted."""
    p_class = np.full((3, 3), 0.1)
    for wanted in range(3):
        p_class[wanted, wanted if wanted < hits else wanted - 1] = 0.8
    return dreams.Dreamed(p_class, distance, [], 0.25)


def make_source(number, path):
    """Makes an input without a sound."""
    return Source(Job(number, path, number, plan=None), None, None, None, None)


@pytest.mark.parametrize("power", [0.3, 1.0, 2.5])
def test_the_learning_rate_is_found_that_moves_a_sound_as_far_as_wanted(power):
    tried = []

    def dream_at(lr):
        tried.append(lr)
        return make_dreamed(distance=4 * (lr / 0.02) ** power)

    found = dreams.find_distance(dream_at, 0.02, 6.0)
    assert found.distance == pytest.approx(6, rel=0.02)
    assert len(tried) == dreams.TRIES


def test_the_nearest_try_is_taken_where_the_distance_does_not_change():
    assert dreams.find_distance(lambda lr: make_dreamed(distance=3.0), 0.02, 6.0).distance == 3


def test_a_table_counts_hits_and_averages_over_recordings_alone():
    ways = dict(zip(dreams.WAYS, (make_dreamed(4.2), make_dreamed(hits=3), make_dreamed(hits=1))))
    sources = [make_source(0, "noise"), make_source(1, "loop.wav")]
    model = Model(tiny.CARD, network=None)
    compared = {"00000-noise": dict.fromkeys(dreams.WAYS, make_dreamed()), "00001-loop": ways}
    lines = page.format_hits(model, sources, compared).splitlines()
    assert (
        lines[-2] == "| loop | 2, 3; 4.2 dB; 0.25 s | 3, 3; 1.0 dB; 0.25 s | 1, 3; 1.0 dB; 0.25 s |"
    )
    assert lines[-1] == "| *mean of the recordings* | 2.0 | 3.0 | 1.0 |"
