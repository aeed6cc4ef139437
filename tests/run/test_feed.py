"""Sounds are read ahead in order, and grouped into batches."""

import threading
import time

import pytest

from dreamsound_jax.run.feed import MOST_WAITING, READERS, group_into_batches, read_ahead
from dreamsound_jax.system.errors import UserError


def test_what_is_read_ahead_comes_in_order_and_failures_with_it():
    def read(job):
        time.sleep(0.02 * (job % 3 == 0))
        if job == 4:
            raise UserError("no sound")
        return -job

    found = list(read_ahead(range(10), read, ahead=3))
    assert [job for job, _ in found] == list(range(10))
    assert [str(sound) if job == 4 else sound for job, sound in found] == [
        *(0, -1, -2, -3, "no sound", -5, -6, -7, -8, -9)
    ]


def test_no_more_is_read_than_asked_for():
    """Neither in threads at a time, nor in jobs ahead of the one that is taken."""
    begun, running, most = [], [], []
    lock = threading.Lock()

    def read(job):
        with lock:
            begun.append(job)
            running.append(job)
            most.append(len(running))
        time.sleep(0.01)
        with lock:
            running.remove(job)

    for job, _ in read_ahead(range(40), read, ahead=5):
        time.sleep(0.002)
        assert max(begun) <= job + 6
    assert 1 < max(most) <= READERS
    unfinished = read_ahead(range(1000), read, ahead=5)
    next(unfinished)
    unfinished.close()
    assert len(begun) <= 40 + 6


def test_whatever_a_reader_raises_the_others_are_read():
    def read(job):
        if job == 1:
            raise MemoryError
        return 1 / job

    (_, first), (_, second), (_, third) = read_ahead([1, 0, 2], read, ahead=2)
    assert (type(first), type(second), third) == (MemoryError, ZeroDivisionError, 0.5)


def test_what_the_user_does_stops_the_reading():
    def stop(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(read_ahead([1], stop, ahead=2))


def test_clips_of_one_key_form_batches_and_each_comes_once():
    found = list(group_into_batches("abaacbbaa", 2, key=str))
    assert ["".join(group) for group in found] == ["aa", "bb", "aa", "c", "b", "a"]


def test_where_few_have_the_same_key_only_some_batches_wait():
    taken = []

    def clips():
        for number in range(200):
            taken.append(number)
            yield number

    given = 0
    for group in group_into_batches(clips(), 2, key=lambda number: number):
        given += len(group)
        assert len(taken) - given <= 2 * MOST_WAITING
    assert given == 200
