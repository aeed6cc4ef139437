"""What a run says on standard output."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from dreamsound_jax.run.report import Report

DONE = {
    "number": 1,
    "name": "00001-a",
    "input": "a.wav",
    "heard": ["sound effects 53%", "organ 99%"],
    "heard_as": "organ",
    "files": {".wav": 3},
    "picture": True,
    "input_file": {"size": 3},
}
FAILED = {"number": 2, "name": "00002-b", "input": "b.wav", "error": "it is silent"}


def test_paths_are_lines_also_those_that_are_no_text(capfdbinary):
    report = Report()
    report(DONE, os.fsdecode(b"out/caf\xe9.wav"))
    report(FAILED, None)
    assert capfdbinary.readouterr() == (b"out/caf\xe9.wav\n", b"")


def test_a_path_that_would_break_the_line_is_escaped_and_exact_in_json(capfdbinary):
    path = "two\nlines \x1b[31m\x9b's/a b.wav"
    Report()(DONE, path)
    Report(as_json=True)(DONE, path)
    plain, as_json = capfdbinary.readouterr().out.splitlines()
    assert plain == rb"$'two\x0alines \x1b[31m\xc2\x9b\'s/a b.wav'"
    assert json.loads(as_json)["path"] == path
    # A shell reads it back.
    if bash := shutil.which("bash"):
        done = subprocess.run([bash, "-c", b"printf %s " + plain], capture_output=True, check=True)
        assert done.stdout.decode() == path


def test_a_line_of_json_has_the_path_of_a_video(capfd):
    Report(as_json=True)({**DONE, "files": {".flac": 3, ".mp4": 4}}, "out/00001-a.flac")
    assert json.loads(capfd.readouterr().out)["video"] == "out/00001-a.mp4"


def test_a_line_of_json_has_the_facts_of_a_clip_and_why_it_failed(capfd):
    report = Report(as_json=True)
    report(DONE, "out/00001-a.wav")
    report(FAILED, None)
    report({**DONE, "ended": "round 3 overcooked"}, "out/00001-a.wav")
    done, failed, ended = map(json.loads, capfd.readouterr().out.splitlines())
    assert done == {
        "path": "out/00001-a.wav",
        "number": 1,
        "name": "00001-a",
        "input": "a.wav",
        "heard_before": "sound effects",
        "heard_after": "organ",
        "error": None,
    }
    assert failed == {"path": None, **FAILED}
    assert (ended["path"], ended["error"]) == ("out/00001-a.wav", "round 3 overcooked")


def test_lines_of_many_threads_stay_whole(capfd):
    report, path = Report(), "x" * 5000
    threads = [threading.Thread(target=report, args=(DONE, path)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().out.splitlines() == [path] * 20


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_said_once_and_stops_nothing(monkeypatch, caplog):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        report = Report()
        report(DONE, "a.wav")
        report(DONE, "b.wav")
    assert [record.message for record in caplog.records] == [
        "standard output cannot be written to: No space left on device"
    ]
    assert report.failed


def test_that_nobody_reads_any_more_is_no_failure(monkeypatch, caplog):
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        report = Report()
        report(DONE, "a.wav")
    assert (report.failed, caplog.messages) == (False, [])


def test_without_standard_output_nothing_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    Report()(DONE, "a.wav")
