"""The folder of a run: its number, its parameters, and earlier runs in it."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from dreamsound_jax.outputs import folder as folders
from dreamsound_jax.outputs.folder import (
    find_earlier_run,
    make_folder,
    wait_for_run,
    write_index,
    write_params,
)
from dreamsound_jax.system.errors import UserError


def test_folders_are_numbered_after_the_last_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(make_folder(None)) for _ in range(2)] == ["outputs/1", "outputs/2"]
    (tmp_path / "outputs" / "7").mkdir()
    (tmp_path / "outputs" / "notes").mkdir()
    assert str(make_folder(None)) == "outputs/8"


def test_a_run_is_resumed_with_its_own_flags_alone(tmp_path):
    folder = make_folder(str(tmp_path / "a" / "b"))
    flags = {"seed": 1, "lr": 0.1, "input": ("a",), "save_every": 10.0}

    def find(flags, output_dir=str(folder)):
        return find_earlier_run(output_dir, flags, may_differ=["save_every"])

    assert find(flags, output_dir=None) is None
    assert find(flags) is None
    write_params(folder, flags=flags, command="dreamsound", inputs=["a"], target_classes={})
    for same in (flags, {**flags, "seed": None}, {**flags, "save_every": 1.0}):
        assert find(same)["seed"] == 1
    for other, message in (
        ({"seed": 2}, "--seed 1, not --seed 2"),
        ({"lr": 0.2}, "--lr 0.1, not --lr 0.2"),
        ({"plots": True}, "no --plots, not --plots"),
    ):
        with pytest.raises(UserError, match=f"already holds a run with {message}; name another"):
            find({**flags, **other})
    # A flag that is newer than the folder was, in effect, at its default.
    new = {**flags, "growth": False}
    find_earlier_run(str(folder), new, may_differ=[], defaults={"growth": False})
    given = {**flags, "growth": True}
    with pytest.raises(UserError, match="--nogrowth, not --growth"):
        find_earlier_run(str(folder), given, may_differ=[], defaults={"growth": False})
    for damaged in (
        *("{", "{}", '{"seed": 1, "flags": 3}', '{"flags": {}}', '{"seed": "1", "flags": {}}'),
        *('{"seed": -1, "flags": {}}', '{"seed": 1, "flags": {}, "inputs": [3]}', "[" * 100_000),
    ):
        (folder / "params.json").write_text(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            find(flags)


def test_a_process_waits_until_another_has_written_the_seed_and_says_so(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(folders, "_SECONDS_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(folders, "_SECONDS_UNTIL_SAID", 0.05)
    caplog.set_level(logging.INFO)
    flags = {"seed": None, "lr": 0.1}

    def wait(seconds):
        return wait_for_run(str(tmp_path / "out"), flags, may_differ=[], seconds=seconds)

    with pytest.raises(UserError, match="process 0 has not written the seed to .* within 0.2 s"):
        wait(0.2)
    assert caplog.text.count("waiting for process 0 to write the seed to") == 1
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(wait, 60)
        folder = make_folder(str(tmp_path / "out"))
        own = {"seed": 5, "lr": 0.1}
        write_params(folder, flags=own, command="dreamsound", inputs=[], target_classes={})
        assert waiting.result()["seed"] == 5
    flags["lr"] = 0.2
    with pytest.raises(UserError, match="already holds a run with --lr 0.1, not --lr 0.2"):
        wait(60)


def test_params_and_page_say_what_was_run(tmp_path):
    folder = make_folder(str(tmp_path / "run"))
    flags = {"seed": 7, "lr": 0.1}
    classes = {"00000-a": "organ"}
    write_params(
        folder,
        flags=flags,
        command="dreamsound --lr=0.1",
        inputs=["a.wav"],
        target_classes=classes,
        parts={"networks": {"gm": "digest"}},
    )
    params = json.loads((folder / "params.json").read_text())
    assert params["command"] == "dreamsound --lr=0.1 --seed=7"
    assert (params["seed"], params["flags"]) == (7, flags)
    assert (params["inputs"], params["target_classes"]) == (["a.wav"], classes)
    assert params["networks"] == {"gm": "digest"}
    assert {"jax", "numpy"} <= params["versions"].keys() and "platform" in params["device"]
    records = {0: {"number": 0, "name": "00000-a"}, 1: {"number": 1, "name": "b", "error": "bad"}}
    write_index(folder, records, command="dreamsound", seed=7)
    html = (folder / "index.html").read_text()
    assert "00000-a" in html and "1 done, 1 failed" in html and "--seed=7" in html
