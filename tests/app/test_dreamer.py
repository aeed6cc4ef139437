"""The process that dreams."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dreamsound_jax.app.dreamer import Dreamer
from dreamsound_jax.app.jobs import Doing, Done, Job, Refused, Stopped

QUICK = {"layers_to_use": ("relu1_1",), "pyramid_size": 1, "num_iterations": 1, "seed": 1}


@pytest.fixture(scope="module")
def dreamer():
    dreamer = Dreamer()
    yield dreamer
    dreamer.close()


@pytest.fixture
def job(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, 11025)
    soundfile.write(tmp_path / "a.wav", sound, 22050)
    return Job(str(tmp_path / "a.wav"), str(tmp_path), QUICK)


@pytest.mark.slow
def test_a_job_is_done_refused_or_stopped_and_the_next_one_is_done(dreamer, job, tmp_path):
    *doing, done = dreamer.dream(job._replace(makes_video=True), owner="me")
    assert all(isinstance(each, Doing) for each in doing) and isinstance(done, Done)
    assert Doing("Dreaming", 1, 1) in doing
    assert b"ftyp" in Path(done.video).read_bytes()[:12]
    before, after = (soundfile.read(path)[0] for path in (done.before, done.after))
    assert before.shape == after.shape == (11025,) and not np.array_equal(before, after)
    assert Path(done.picture).read_bytes().startswith(b"\x89PNG")

    (tmp_path / "cut.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:11069])
    *_, done = dreamer.dream(job._replace(sound=str(tmp_path / "cut.wav")), owner="me")
    assert "cut.wav" in done.words and "0.25 s of 0.50 s" in done.words
    assert str(tmp_path) not in done.words

    (tmp_path / "no.wav").write_bytes(b"no sound")
    *_, refused = dreamer.dream(job._replace(sound=str(tmp_path / "no.wav")), owner="me")
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("'no.wav' is a text, and must be a sound or video file")

    long = job._replace(options={**QUICK, "num_iterations": 100_000})
    messages = dreamer.dream(long, owner="me")
    while next(messages) != Doing("Dreaming", 1, 1):
        pass
    dreamer.stop("somebody else")
    assert next(messages) == Doing("Dreaming", 1, 1)
    began = time.monotonic()
    dreamer.stop("me")
    *_, last = messages
    assert last == Stopped() and time.monotonic() - began < 5
    *_, done = dreamer.dream(job, owner="me")
    assert isinstance(done, Done)


@pytest.mark.slow
def test_a_process_that_ends_by_itself_is_told_of_and_replaced(dreamer, job):
    messages = dreamer.dream(job._replace(options={**QUICK, "num_iterations": 10_000}), owner="me")
    next(messages)
    dreamer._process.kill()
    *_, refused = messages
    assert "exit code -9" in refused.reason
    *_, done = dreamer.dream(job, owner="me")
    assert isinstance(done, Done)


@pytest.mark.slow
def test_a_second_job_waits_for_the_first(dreamer, job):
    first = dreamer.dream(job, owner="me")
    next(first)
    second = dreamer.dream(job, owner="you")
    assert next(second) == Doing("Waiting for another dream to end")
    ends = threading.Thread(target=list, args=(first,))
    ends.start()
    *_, done = second
    ends.join()
    assert isinstance(done, Done)
