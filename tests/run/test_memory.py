"""Batches that do not fit are found out before they are dreamed."""

import logging

import pytest

from dreamsound_jax.run import batch_reader
from dreamsound_jax.run import memory as estimates
from dreamsound_jax.run import run as runs
from dreamsound_jax.run.batch_runner import BatchRunner
from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.system import memory, programs
from dreamsound_jax.system.memory import Memory
from tests.helpers import tiny

HUGE = 10**13


@pytest.fixture
def dream(tiny_checkpoint, tmp_path, monkeypatch, caplog):
    """Dreams four clips at once with so much memory; returns (how many failed, what was said)."""
    caplog.set_level(logging.INFO, logger="dreamsound_jax")

    def call(found, **changes):
        monkeypatch.setattr(memory, "of_devices", lambda: found)
        given = {"input": ("noise",), "num_clips": 4, "batch_size": 4, "clip_length": 6000}
        given |= {"pyramid_size": 1, "num_iterations": 1, "layers_to_use": ("relu1_1",)}
        given |= {"checkpoint": str(tiny_checkpoint), "plots": False, "seed": 1}
        given |= {"output_dir": str(tmp_path / "out")}
        with programs.keep_in(str(tmp_path / "traces")):
            options = tiny.options(**given | changes)
            return runs.run(options, command="dreamsound"), caplog.text

    return call


@pytest.mark.slow
def test_a_batch_is_as_large_as_fits(dream, monkeypatch):
    stated = iter((3_000_000, 2_000_000))
    monkeypatch.setattr(programs, "most_bytes_since", lambda count: next(stated))
    failed, said = dream(Memory(3_050_000, HUGE))
    assert failed == 0
    assert "4 clips of 0.3 s of sound need about 0.0 GB of memory, and 0.0 GB are free: " in said
    assert "continuing with --batch_size=3" in said and said.count("continuing") == 1


def test_no_more_sounds_wait_than_memory_holds(dream, monkeypatch):
    """Batches are made smaller before the sounds of a whole one are read."""
    read, waiting, begin = [], [], BatchRunner.dream

    def count(job, **given):
        read.append(job.number)
        return read_source(job, **given)

    def note(self, batch, *given, **named):
        waiting.append(len(read))
        return begin(self, batch, *given, **named)

    monkeypatch.setattr(batch_reader, "read_source", count)
    monkeypatch.setattr(BatchRunner, "dream", note)
    of_a_clip = 2 * 4 * 6000  # The sound, and what the network hears of it.
    monkeypatch.setattr(memory, "of_machine", lambda: Memory(2 * 7 * of_a_clip, HUGE))
    failed, said = dream(None, num_clips=12, batch_size=12)
    assert failed == 0 and "continuing with --batch_size=2" in said
    assert len(waiting) == 6 and waiting[0] <= 7


def test_a_clip_that_may_not_fit_is_warned_of_and_one_that_cannot_is_refused(dream, tmp_path):
    failed, said = dream(Memory(1, HUGE), num_clips=2, batch_size=1)
    assert failed == 0 and said.count("are free: --clip_length=") == 1
    failed, said = dream(Memory(1, 2), num_clips=2, batch_size=1, output_dir=str(tmp_path / "b"))
    assert failed == 2
    assert said.count("GB of memory, and there are 0.0 GB: --clip_length=") >= 2


def test_nothing_is_asked_or_said_where_there_is_room(dream, monkeypatch):
    def complain(count):
        raise AssertionError

    monkeypatch.setattr(programs, "most_bytes_since", complain)
    failed, said = dream(Memory(HUGE, HUGE), num_clips=1, batch_size=1)
    assert failed == 0 and "memory" not in said


def test_the_estimate_is_near_what_xla_states(tmp_path):
    """Of a network whose activations are most of it."""
    plan = tiny.plan(
        clip_length=40000, layers_to_use=("relu3_4",), pyramid_size=1, num_iterations=1
    )
    sources = fill_batch([read_source(list_jobs(["noise"], plan)[0])], 8)
    with programs.keep_in(str(tmp_path)):
        before = WarmUp().dreams(tiny.tiny_model(), sources)
        stated = programs.most_bytes_since(before)
    assert 0.4 < estimates.estimate_bytes(sources) / stated < 2.5
