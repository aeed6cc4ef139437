import threading
import time
from types import SimpleNamespace

import pytest

from dreamsound_jax.run.finish import Dreamed, Finishers
from dreamsound_jax.system.errors import UserError


class Records(list):
    """A manifest in memory."""

    add = list.append


def source(number):
    return SimpleNamespace(number=number, name=f"{number:05d}-a", path="a.wav")


def finishers(records, *, most=4, write=lambda source, clip: {"number": source.number}):
    return Finishers(write, records, most=most, after_clip=lambda: None)


def dreamed(*makers, close=lambda: None):
    return Dreamed(list(makers), close, 0.0)


def fails():
    raise UserError("overflows")


def test_a_clip_that_fails_is_recorded_and_the_others_are_finished():
    records, closed = Records(), []
    with finishers(records) as at_work:
        batch = [source(number) for number in range(3)]
        makers = (str, fails, str)
        at_work.take(batch, dreamed(*makers, close=lambda: closed.append(len(records))))
    assert sorted(record["number"] for record in records) == [0, 1, 2]
    (failed,) = (record for record in records if "error" in record)
    assert failed == {
        "number": 1,
        "name": "00001-a",
        "input": "a.wav",
        "error": "00001-a: overflows",
    }
    assert at_work.failed == {"00001-a": "00001-a: overflows"}
    assert closed == [3]


def test_a_clip_that_ended_early_is_kept_and_counted():
    with finishers(Records(), write=lambda *_: {"number": 0, "ended": "round 7"}) as at_work:
        at_work.take([source(0)], dreamed(str))
    assert at_work.failed == {"00000-a": "round 7"}


def test_only_so_many_clips_wait():
    gate, handed_in = threading.Event(), []
    with finishers(Records(), most=3) as at_work:

        def hand_in():
            for number in range(5):
                at_work.take([source(number)], dreamed(gate.wait))
                handed_in.append(number)

        thread = threading.Thread(target=hand_in)
        thread.start()
        deadline = time.monotonic() + 20
        while len(handed_in) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        assert handed_in == [0, 1, 2]
        gate.set()
        thread.join()
    assert handed_in == [0, 1, 2, 3, 4]


def test_what_nobody_foresaw_is_raised_where_clips_are_handed_in():
    def breaks():
        raise ZeroDivisionError

    def hand_in(records, *makers):
        with finishers(records, most=1) as at_work:
            for number, make in enumerate(makers):
                at_work.take([source(number)], dreamed(make))

    for makers in ((breaks,), (breaks, str, str)):
        records = Records()
        with pytest.raises(ZeroDivisionError):
            hand_in(records, *makers)
        assert not records
