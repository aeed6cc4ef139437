"""What is said before the work begins."""

import os

import numpy as np
import pytest
import soundfile

from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.run.work import describe_work
from tests.helpers import tiny


def describe(paths, **given):
    return describe_work(list_jobs([str(path) for path in paths], tiny.plan(**given)))


@pytest.fixture
def sounds(tmp_path):
    paths = [tmp_path / f"{seconds}.wav" for seconds in (1, 3)]
    for path, seconds in zip(paths, (1, 3)):
        soundfile.write(path, np.zeros(seconds * 8000) + 0.1, 8000)
    return paths


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "to do: 2 clips, 4.0 s of sound, each in 3 passes of 10 steps"),
        (
            {"num_iterations": 1, "pyramid_size": 1, "num_clips": 60},
            "to do: 60 clips, 2.0 min of sound, each in 1 pass of 1 step",
        ),
        (
            {"create_ouroboros": True, "ouroboros_length": 4},
            "to do: 2 clips, 4.0 s of sound, each in 4 rounds of 3 passes of 10 steps",
        ),
        ({"sweep": {"num_iterations": (2, 3)}}, "to do: 4 clips, 8.0 s of sound"),
    ],
)
def test_it_says_how_many_clips_and_how_long_they_are_and_in_how_many_steps(sounds, given, said):
    assert describe(sounds, **given) == said


def test_a_length_that_is_not_known_is_left_out_and_that_of_a_clip_that_was_read_is_its_own(
    sounds, tmp_path
):
    (tmp_path / "a.mp4").write_bytes(b"no sound")
    assert describe([*sounds, tmp_path / "a.mp4"]).startswith("to do: 3 clips, each in")
    odd = tmp_path / "a\udce9.wav"
    odd.write_bytes(sounds[0].read_bytes())
    os.mkfifo(tmp_path / "pipe.wav")
    assert describe([odd, sounds[1]]).startswith("to do: 2 clips, 4.0 s of sound")
    assert describe([sounds[1], tmp_path / "pipe.wav"]).startswith("to do: 2 clips, each in")
    assert describe(["noise"], clip_length=22050).startswith("to do: 1 clip, 1.0 s of sound, in 3")
    (job,) = list_jobs(["drums"], tiny.plan())
    assert "1 clip, 6.9 s of sound" in describe_work([job], read_source(job))
