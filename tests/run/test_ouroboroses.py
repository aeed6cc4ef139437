"""Ouroboroses of a batch, round by round, and their files."""

import logging
import signal

import jax
import numpy as np
import pytest
from etils import epath

from dreamsound_jax.dreaming.ascent import HEALTHY, NON_FINITE_GRADIENT, ZERO_GRADIENT
from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds, list_unfinished_batches
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.ouroboroses import dream_ouroboroses
from dreamsound_jax.run.rounds import count_rounds
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.system.errors import StorageError, UserError
from tests.helpers import tiny

ROUNDS = 6
QUICK = {
    "create_ouroboros": True,
    "ouroboros_length": ROUNDS,
    "layers_to_use": ("relu2_1",),
    "pyramid_size": 1,
    "num_iterations": 1,
    "clip_length": 6000,
    "batch_size": 2,
    "plots": False,
    "save_every": 0.0,
    "num_clips": 2,
}
HEALTHY_ROUNDS = [HEALTHY] * 4
FLAT, OVERFLOW = ZERO_GRADIENT, NON_FINITE_GRADIENT


def rounds_with(fault, overcooked=(1, 1, 1, 1)):
    faults = np.array(fault)[:, None, None]
    return Rounds(None, None, np.array(overcooked), None, None, faults)


@pytest.mark.parametrize(
    ("changes", "fault", "expected"),
    [
        ({}, HEALTHY_ROUNDS, 4),
        ({}, [HEALTHY, HEALTHY, FLAT, HEALTHY], 2),
        ({}, [HEALTHY, OVERFLOW, HEALTHY, HEALTHY], 1),
        ({"layers_to_use": ("iterate",)}, [HEALTHY, FLAT, OVERFLOW, HEALTHY], 2),
        ({"stop_overcooked": 1.0}, HEALTHY_ROUNDS, 4),
        ({"stop_overcooked": 0.9}, HEALTHY_ROUNDS, 0),
    ],
)
def test_a_clip_ends_before_its_gradient_fails_or_it_overcooks(changes, fault, expected):
    (clip,) = tiny.plan(**(QUICK | changes)).clips
    assert count_rounds(rounds_with(fault), clip) == expected


class Progress:
    """Notes how much is on the device at each report; stops the run when a round is done."""

    def __init__(self, *, stop_after=None, stop=None, first=0):
        self.bytes, self._stop_after, self._stop = [], stop_after, stop
        self._done = first

    def __call__(self, share, words, *, until):
        self.bytes.append(sum(array.nbytes for array in jax.live_arrays()))
        now = min(self._done + 1, ROUNDS)
        assert (share, words) == (self._done / ROUNDS, f"round {now} of {ROUNDS}")
        assert until == now / ROUNDS
        if self._done == self._stop_after:
            self._stop()
        self._done += 1


def fail():
    raise InterruptedError


def interrupt():
    """Does what Ctrl-C does, also where a shell that began this process made it ignore that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def dream(folder, report=None, *, model=None, **changes):
    """Dreams a batch of two clips; returns what is written of them."""
    plan = tiny.plan(**(QUICK | changes))
    folder.mkdir(exist_ok=True)
    pending = dream_ouroboroses(
        model or tiny.tiny_model(),
        [read_source(job) for job in list_jobs(["noise"], plan)],
        plan,
        size=plan.batch_size,
        report=report or Progress(),
        folder=epath.Path(folder),
    )
    clips = [make() for make in pending.makers]
    pending.close()
    return clips


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The clips of an ouroboros that was not stopped, and what was noted meanwhile."""
    report = Progress()
    return dream(tmp_path_factory.mktemp("whole"), report), report


@pytest.mark.parametrize(
    ("stop", "raised", "save_every", "kept"),
    [(fail, InterruptedError, 0.0, 3), (interrupt, KeyboardInterrupt, 1e6, 4)],
)
def test_a_stopped_ouroboros_resumes_after_its_last_save_and_ends_the_same(
    tmp_path, whole, stop, raised, save_every, kept
):
    """A failure keeps what was saved, and Ctrl-C saves the rounds that are done."""
    with pytest.raises(raised) as stopped:
        dream(tmp_path, Progress(stop_after=4, stop=stop), save_every=save_every)
    if raised is KeyboardInterrupt:
        assert str(stopped.value) == "4 rounds of the next 2 clips"
    parts = epath.Path(tmp_path)
    assert list_unfinished_batches(parts) == [[0, 1]]
    report = Progress(first=kept)
    resumed = dream(parts, report)
    assert len(report.bytes) == 1 + ROUNDS - kept
    for one, other in zip(resumed, whole[0], strict=True):
        assert one.sound.content == other.sound.content
        np.testing.assert_array_equal(one.arrays["mel_db"], other.arrays["mel_db"])
        assert one.result.facts() == other.result.facts()
    assert list_unfinished_batches(parts) == []
    assert not list((tmp_path / "unfinished").iterdir())


def test_no_more_is_on_the_device_in_later_rounds(whole):
    in_one_run = whole[1].bytes
    assert len(in_one_run) == 1 + ROUNDS
    assert max(in_one_run[4:]) <= max(in_one_run[:4]) * 1.001


def test_a_stop_before_the_first_round_keeps_none_and_a_full_disk_does_not_hide_it(
    tmp_path, monkeypatch, caplog
):
    with pytest.raises(KeyboardInterrupt) as stopped:
        dream(tmp_path, Progress(stop_after=0, stop=interrupt), save_every=1e6)
    assert str(stopped.value) == ""

    def save(*_):
        raise StorageError("No space left on device")

    monkeypatch.setattr(SavedRounds, "save", save)
    with pytest.raises(KeyboardInterrupt) as stopped:
        dream(tmp_path, Progress(stop_after=2, stop=interrupt), save_every=1e6)
    assert str(stopped.value) == ""
    assert "could not be saved: No space left on device" in caplog.text


def test_each_clip_has_its_input_and_a_spectrogram_and_facts_of_each_round(tmp_path):
    clips = dream(tmp_path, save_every=1e6)
    assert [clip.request.name for clip in clips] == ["00000-noise", "00001-noise"]
    for clip in clips:
        assert clip.arrays["mel_db"].shape == (ROUNDS + 1, 128, 30)
        assert clip.sound.recording.channels.shape == (6000 * (ROUNDS + 1), 1)
        rounds = clip.result.facts()["rounds"]
        assert [each["layers"] for each in rounds] == [["relu2_1"]] * ROUNDS
        assert all(each["overcooked_db"] > 0 and each["moved_db"] > 0 for each in rounds)
    assert clips[0].sound.content != clips[1].sound.content


def test_an_ouroboros_can_end_before_it_overcooks(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="dreamsound_jax")
    given = {"stabilise": False, "lr": 0.3, "num_clips": 1}
    (whole,) = dream(tmp_path / "whole", **given)
    index = [each["overcooked_db"] for each in whole.result.facts()["rounds"]]
    limit = (index[0] + max(index)) / 2
    expected = next(number for number, each in enumerate(index) if each > limit)
    (stopped,) = dream(tmp_path / "stopped", **given, stop_overcooked=limit)
    assert 0 < expected == len(stopped.result.facts()["rounds"]) < ROUNDS
    assert len(stopped.sound.recording.channels) == 6000 * (expected + 1)
    assert stopped.result.facts()["ended"] is None
    assert f"round {expected + 1} is overcooked: " in caplog.text
    with pytest.raises(UserError, match="round 1 is overcooked: .* dB, more than --stop_overcoo"):
        dream(tmp_path / "never", **given, stop_overcooked=index[0] / 2)


class Vanishing:
    """A folder whose files another process removes while they are listed, or read."""

    def __init__(self, found):
        self._found = found

    def __truediv__(self, name):
        return self

    def iterdir(self):
        if self._found is None:
            raise FileNotFoundError("unfinished")
        return iter(self._found)


@pytest.mark.parametrize("found", [None, ["00000-state.npz"]])
def test_a_batch_that_another_process_removes_meanwhile_is_left_out(tmp_path, found):
    folder = Vanishing(found and [epath.Path(tmp_path) / name for name in found])
    assert list_unfinished_batches(folder) == []
