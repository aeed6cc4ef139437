"""The records of clips survive whatever ends a run."""

import json
import multiprocessing
import os

import pytest
from etils import epath

from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.system.errors import UserError


def record(number, **more):
    return {"number": number, "name": f"{number:05d}-a", **more}


def numbers(done):
    """The numbers of what `Manifest.done` returns."""
    return {number for number, _, _ in done}


@pytest.fixture
def folder(tmp_path):
    for number in range(9):
        (tmp_path / f"{number:05d}-a.json").write_text("{}")
    return epath.Path(tmp_path)


def test_what_is_recorded_is_done_while_its_files_are_there(folder):
    manifest = Manifest(folder)
    for each in (record(3), record(1, error="silent"), record(0)):
        manifest.add(each)
    again = Manifest(folder)
    assert list(again.records()) == [0, 1, 3]
    assert numbers(again.done()) == {0, 3}
    (folder / "00003-a.json").unlink()
    assert numbers(again.done()) == {0}


def test_a_clip_of_which_a_file_is_gone_or_cut_is_not_done(folder):
    (folder / "00000-a.wav").write_bytes(bytes(9))
    Manifest(folder).add(record(0, files={".wav": 9, ".json": 2}))
    assert numbers(Manifest(folder).done()) == {0}
    (folder / "00000-a.wav").write_bytes(bytes(8))
    assert numbers(Manifest(folder).done()) == set()
    (folder / "00000-a.wav").unlink()
    assert numbers(Manifest(folder).done()) == set()
    # It is made again, and its new record counts.
    (folder / "00000-a.wav").write_bytes(bytes(5))
    Manifest(folder).add(record(0, files={".wav": 5, ".json": 2}))
    assert numbers(Manifest(folder).done()) == {0}
    # A file that has grown, by tags say, is whole.
    (folder / "00000-a.wav").write_bytes(bytes(7))
    assert Manifest(folder).done() == {(0, "00000-a", None): None}


def test_what_was_dreamed_again_by_another_process_is_done(folder):
    """The newer record may be in the file that comes first; the older one has other sizes."""
    (folder / "00001-a.wav").write_bytes(bytes(5))
    Manifest(folder, process=1).add(record(1, files={".wav": 9}, heard_as="organ"))
    Manifest(folder, process=0).add(record(1, files={".wav": 5}, heard_as="pipe"))
    assert numbers(Manifest(folder).done()) == {1}
    assert Manifest(folder).records()[1]["heard_as"] == "pipe"
    # A clip that is lost, and fails when it is dreamed again, has failed.
    (folder / "00001-a.wav").unlink()
    Manifest(folder, process=0).add(record(1, error="gone"))
    assert Manifest(folder).records()[1]["error"] == "gone"


def test_what_was_dreamed_on_last_counts_whatever_the_order_of_the_records(folder):
    """As when a clip is dreamed again by a process with a lower number, and then once more."""
    for process, size, taken in ((1, 5, 20.5), (0, 3, 30), (1, 4, 10)):
        input_file = {"size": size, "taken": taken}
        Manifest(folder, process=process).add(record(0, input_file=input_file, lr=size))
    Manifest(folder, process=2).add(record(0, lr=9))  # Of an early version.
    assert Manifest(folder).done() == {(0, "00000-a", None): {"size": 3, "taken": 30}}
    assert Manifest(folder).records()[0]["lr"] == 3


def test_files_that_others_remove_meanwhile_do_no_harm(folder):
    Manifest(folder).add(record(0))
    os.symlink("nowhere", folder / ".0123.part")
    assert numbers(Manifest(folder).done()) == {0}


NO_RECORDS = (
    b"[" * 100_000,
    b"\xff\xfe",
    b"[1]",
    b'{"number": null, "name": "a"}',
    b'{"number": true, "name": "a"}',
    b'{"number": -1, "name": "a"}',
    b'{"number": 1, "name": null}',
    b'{"number": 1, "name": "00001-a", "files": 3}',
    b'{"number": 1, "name": "00001-a", "files": {".wav": "9"}}',
    b'{"number": 1, "name": "\\ud800"}',
    b'{"number": 1, "name": "00001-a", "input": ["a.wav"]}',
    b'{"number": 1, "name": "00001-a", "input_file": "a.wav"}',
    b'{"number": 1, "name": "00001-a", "input_file": {"taken": "late"}}',
)


def test_what_is_no_record_says_nothing_and_harms_no_other(folder):
    Manifest(folder).add(record(0))
    with open(folder / "manifest-000.jsonl", "ab") as file:
        file.write(b"\n".join((*NO_RECORDS, b"")))
    Manifest(folder).add(record(2))
    (folder / "manifest-folder.jsonl").mkdir()
    os.symlink("nowhere", folder / "manifest-link.jsonl")
    assert list(Manifest(folder).records()) == [0, 2]
    assert numbers(Manifest(folder).done()) == {0, 2}


@pytest.mark.parametrize("torn", [json.dumps(record(1))[:-4].encode(), '{"name": "ü'.encode()[:-1]])
def test_a_line_that_was_cut_short_says_nothing_and_harms_no_other(folder, torn):
    Manifest(folder).add(record(0))
    with open(folder / "manifest-000.jsonl", "ab") as file:
        file.write(torn)
    assert numbers(Manifest(folder).done()) == {0}
    Manifest(folder).add(record(2))
    Manifest(folder).add(record(1))
    assert numbers(Manifest(folder).done()) == {0, 1, 2}


def test_names_of_folders_and_files_may_be_odd(tmp_path):
    folder = epath.Path(tmp_path) / "take [1] *"
    folder.mkdir()
    for number, name in enumerate(("a\u2028b", "ü", "not utf-8: \udcff")):
        (folder / f"{name}.json").touch()
        Manifest(folder).add({"number": number, "name": name})
    assert numbers(Manifest(folder).done()) == {0, 1, 2}


def test_a_clip_that_failed_and_then_came_out_is_done_and_stays_so(folder):
    for process, each in (
        (0, record(4, error="cut short")),
        (1, record(4)),
        (2, record(4, error="x")),
    ):
        Manifest(folder, process=process).add(each)
    assert numbers(Manifest(folder).done()) == {4}
    assert {path.name for path in folder.glob("manifest*")} == {
        f"manifest-00{process}.jsonl" for process in range(3)
    }


def add_many(folder, process):
    for number in range(50):
        Manifest(epath.Path(folder), process=process).add(record(2 * number + process))


def test_processes_write_side_by_side(folder):
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=add_many, args=(str(folder), each)) for each in range(2)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert list(Manifest(folder).records()) == list(range(100))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "manifest-000.jsonl").mkdir()
    with pytest.raises(UserError, match="cannot write .*manifest-000.jsonl': Is a directory"):
        Manifest(epath.Path(tmp_path)).add(record(0))
