"""Threads write clips, and what fails is recorded."""

import threading
import time
from types import SimpleNamespace

import pytest
from etils import epath

from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.run.writers import PendingClips, Writers
from dreamsound_jax.system.errors import StorageError, UserError


class Records(list):
    """A manifest in memory."""

    add = list.append


def source(number):
    job = SimpleNamespace(number=number, name=f"{number:05d}-a", path="a.wav")
    return SimpleNamespace(job=job, input_file=None)


def writers(manifest, *, most_waiting=4, write=lambda files: {"number": int(files)}, **keywords):
    return Writers(write, manifest, most_waiting=most_waiting, **keywords)


def pending(*makers, close=lambda: None):
    return PendingClips(list(makers), close, 0.0)


def fail():
    raise UserError("overflows")


def test_a_clip_that_fails_is_recorded_and_the_others_are_written():
    records, closed = Records(), []
    with writers(records) as threads:
        makers = (lambda: "0", fail, lambda: "2")
        batch = pending(*makers, close=lambda: closed.append(len(records)))
        threads.add([source(number) for number in range(3)], batch)
    assert sorted(record["number"] for record in records) == [0, 1, 2]
    (failed,) = (record for record in records if "error" in record)
    assert failed == {
        "number": 1,
        "name": "00001-a",
        "input": "a.wav",
        "error": "00001-a: overflows",
    }
    assert threads.failed == {"00001-a": "00001-a: overflows"}
    assert closed == [3]


def test_a_clip_that_ended_early_is_kept_and_counted_as_failed():
    records = Records()
    with writers(records, write=lambda _: {"number": 0, "ended": "round 7"}) as threads:
        threads.add([source(0)], pending(str))
    assert threads.failed == {"00000-a": "round 7"}
    assert records == [{"number": 0, "ended": "round 7"}]


def test_only_so_many_clips_wait():
    gate, handed_in = threading.Event(), []
    with writers(Records(), most_waiting=3) as threads:

        def hand_in():
            for number in range(5):
                threads.add([source(number)], pending(lambda: gate.wait() and "1"))
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


def out_of_memory():
    raise MemoryError


def unforeseen():
    raise KeyError("tempo")


def test_whatever_a_clip_raises_is_recorded_with_its_type_and_the_others_are_written():
    records = Records()

    def write(files):
        if files == "3":
            raise ZeroDivisionError
        return {"number": int(files)}

    with writers(records, write=write) as threads:
        makers = (out_of_memory, unforeseen, lambda: "2", lambda: "3")
        threads.add([source(number) for number in range(4)], pending(*makers))
    assert {record["number"]: record.get("error") for record in records} == {
        0: "00000-a: MemoryError",
        1: "00001-a: KeyError: 'tempo'",
        2: None,
        3: "00003-a: ZeroDivisionError",
    }


def full_disk(files):
    raise StorageError("cannot write 'a.wav': No space left on device")


def interrupted():
    raise KeyboardInterrupt


@pytest.mark.parametrize("later", [(), (str, str)])
@pytest.mark.parametrize(
    ("make", "write", "error"),
    [(interrupted, str, KeyboardInterrupt), (str, full_disk, StorageError)],
)
def test_the_user_and_a_full_disk_stop_the_run(make, write, error, later):
    """It is raised where clips are handed in, at the latest where the writers are waited for."""

    def hand_in(records):
        with writers(records, write=write, most_waiting=1) as threads:
            for number, each in enumerate((make, *later)):
                threads.add([source(number)], pending(each, close=lambda: closed.append(1)))

    records, closed = Records(), []
    with pytest.raises(error):
        hand_in(records)
    assert records == closed == []


def test_a_manifest_that_cannot_be_written_stops_the_run_in_one_line(tmp_path):
    (tmp_path / "manifest-000.jsonl").mkdir()
    with (
        pytest.raises(UserError, match="cannot write .*manifest-000.jsonl': Is a directory"),
        writers(Manifest(epath.Path(tmp_path))) as threads,
    ):
        threads.add([source(0)], pending(lambda: "0"))
