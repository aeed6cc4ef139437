"""The files of a clip are written whole or not at all."""

import json
import logging
import math

import numpy as np
import pytest
import soundfile
from etils import epath

from dreamsound_jax.audio.find import INPUT
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.outputs import clip_files
from dreamsound_jax.outputs.clip_files import (
    ClassProbabilities,
    ClipFiles,
    ClipRequest,
    describe_clip,
    make_record,
    title_clip,
    write_clip,
)
from dreamsound_jax.outputs.results import DreamResult, OuroborosResult
from dreamsound_jax.system.errors import StorageError

DREAM = DreamResult(objective=np.array([[0.5, 1], [7, 8]]), first=2.0, last=3.0, distance_db=7.5)
SOUND = np.random.default_rng(0).uniform(-1, 1, (22050, 2))


def ouroboros(**changes):
    given = {
        "settings": {"crossfade": True},
        "layers": [("relu5_4",), ("mp4", "relu4_4")],
        "objective": np.array([[1, 2], [3, 4]]),
        "overcooked_db": np.array([0.5, 1.25]),
        "moved_db": np.array([3, 2.12345]),
    }
    return OuroborosResult(**given | changes)


def request(**changes):
    given = {"number": 3, "name": "00003-a", "input": "in/a.wav", "seed": 5, "model": "gm"}
    given |= {"domain": "sound", "layers": ("relu1_1", "output"), "target_class": "organ"}
    return ClipRequest(**given | {"swept": {"lr": 0.1, "layers_to_use": ["a", "b"]}} | changes)


def clip(**changes):
    given = {
        "request": request(),
        "sound": render_sound(SOUND, sample_rate=22050),
        "arrays": {"mel_db": np.arange(6.0).reshape(2, 3)},
        "pictures": {".png": lambda: b"png"},
        "result": DREAM,
        "probabilities": ClassProbabilities(
            before={"organ": 0.25, "pipe": 0.75},
            after={"organ": np.float32(0.9), "pipe": 0.1},
            written_sound={"organ": 0.7, "pipe": 0.3},
        ),
        "timings": {"dream": 1.5},
    }
    return ClipFiles(**given | changes)


def test_the_files_of_a_clip_say_the_same_of_it(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(clip_files.log, "handlers", [caplog.handler])
    with caplog.at_level(logging.INFO, logger=clip_files.log.name):
        record = write_clip(epath.Path(tmp_path), clip())
    assert {path.name for path in tmp_path.iterdir()} == {
        f"00003-a.{suffix}" for suffix in ("wav", "npz", "png", "json")
    }
    sound, rate = soundfile.read(tmp_path / "00003-a.wav")
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert (facts["sample_rate"], facts["channels"], facts["seconds"]) == (rate, 2, 1)
    assert facts["loudness_lufs"] == pytest.approx(-23, abs=0.01) == record["loudness_lufs"]
    assert facts["true_peak_dbtp"] >= round(20 * math.log10(np.abs(sound).max()), 3)
    assert facts["layers_to_use"] == ["relu1_1", "output"]
    assert facts["objective"] == {"first": 2, "last": 3}
    assert facts["objective_by_level"] == [[0.5, 1], [7, 8]]
    assert facts["class_probabilities"]["after"] == {"organ": 0.9, "pipe": 0.1}
    assert np.load(tmp_path / "00003-a.npz")["mel_db"].shape == (2, 3)
    assert (record["number"], record["name"], record["input"]) == (3, "00003-a", "in/a.wav")
    assert (record["lr"], record["layers_to_use"]) == (0.1, "a+b")
    assert (record["target_class"], record["heard_as"]) == ("organ", "organ")
    assert (record["p_target_input"], record["p_target"]) == (0.25, 0.7)
    assert (record["model"], record["domain"]) == ("gm", "sound")
    assert record["true_peak_dbtp"] == facts["true_peak_dbtp"]
    assert (record["objective_first"], record["objective_last"], record["picture"]) == (2, 3, True)
    assert json.loads(json.dumps(record)) == record
    heard = "00003-a: the network hears pipe 75% -> organ 70%"
    assert f"{heard}; the dream is 7.5 dB from the input (relu1_1+output: 2 -> 3)" in caplog.text


def test_a_clip_without_class_picture_and_loudness_says_so(tmp_path):
    silent = render_sound(np.zeros((9, 1)), sample_rate=100)
    given = clip(request=request(target_class=None), sound=silent, pictures={})
    record = write_clip(epath.Path(tmp_path), given)
    assert not (tmp_path / "00003-a.png").exists()
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert (facts["loudness_lufs"], facts["true_peak_dbtp"], facts["target_class"]) == (None,) * 3
    assert (record["picture"], "p_target" in record, record["seconds"]) == (False, False, 0.09)


def test_sounds_to_compare_are_written_and_recorded_with_what_was_asked_for(tmp_path):
    asked = {"mix": 0.25, "preset": "hits", "strength": 40.0}
    given = clip(compared={INPUT: b"12345"}, request=request(**asked))
    record = write_clip(epath.Path(tmp_path), given)
    assert (tmp_path / "00003-a.input.wav").read_bytes() == b"12345"
    assert record["files"][".input.wav"] == 5
    assert record["heard"] == ["pipe 75%", "organ 70%"]
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert asked.items() <= facts.items() and asked.items() <= record.items()
    assert not asked.keys() & {*describe_clip(clip()), *make_record(clip())}
    title = title_clip(given.request, kind="Dream")
    assert title.endswith(" of gm; the sound is 25% dream and 75% input")


def test_an_ouroboros_says_what_each_round_did(tmp_path):
    record = write_clip(epath.Path(tmp_path), clip(result=ouroboros()))
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert facts["ouroboros"] == {"length": 2, "crossfade": True} and facts["ended"] is None
    assert facts["rounds"][1] == {
        "layers": ["mp4", "relu4_4"],
        "objective": {"first": 3, "last": 4},
        "overcooked_db": 1.25,
        "moved_db": 2.123,
    }
    assert (record["rounds"], record["overcooked_db"], record["moved_db"]) == (2, 1.25, 2.123)
    assert "ended" not in record
    assert ouroboros().summarise("mp4") == "2 rounds (by mp4; overcooked index 0.5 -> 1.2 dB)"
    ended = write_clip(
        epath.Path(tmp_path), clip(result=ouroboros(ended_early="round 3 overflows"))
    )
    assert ended["ended"] == "round 3 overflows"


def test_a_title_says_what_dreamed_of_what():
    title = title_clip(request(), kind="Dream", aim="towards organ")
    assert title == "Dream of a.wav by relu1_1 + output of gm, towards organ"
    assert (
        title_clip(request(layers=("mp1",)), kind="Ouroboros") == "Ouroboros of a.wav by mp1 of gm"
    )


def test_a_video_is_written_after_the_sound_and_one_that_fails_costs_nothing_else(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(clip_files.log, "handlers", [caplog.handler])
    folder = epath.Path(tmp_path)

    def make_video():
        assert (tmp_path / "00003-a.wav").exists() and (tmp_path / "00003-a.npz").exists()
        return b"video"

    record = write_clip(folder, clip(make_video=make_video))
    assert (tmp_path / "00003-a.mp4").read_bytes() == b"video"
    assert record["files"][".mp4"] == 5 and "video_failed" not in record
    (tmp_path / "00003-a.mp4").unlink()

    def fail():
        raise ValueError("the encoder\nis broken")

    record = write_clip(folder, clip(make_video=fail))
    assert record["video_failed"] == "ValueError: the encoder is broken"
    assert {*record["files"]} == {".wav", ".npz", ".png", ".json"}
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert facts["video_failed"] == record["video_failed"]
    (line,) = warnings_in(caplog)
    assert line.endswith("00003-a.mp4 could not be made: ValueError: the encoder is broken")


def test_a_picture_that_cannot_be_drawn_or_written_costs_nothing_else(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(clip_files.log, "handlers", [caplog.handler])

    def draw():
        assert (tmp_path / "00003-a.wav").exists() and (tmp_path / "00003-a.npz").exists()
        raise ValueError("no\nsuch backend")

    drawn = {".png": draw, ".small.png": lambda: b"small"}
    record = write_clip(epath.Path(tmp_path), clip(pictures=drawn, make_video=lambda: b"video"))
    assert record["picture_failed"] == "ValueError: no such backend" and not record["picture"]
    assert {*record["files"]} == {".wav", ".npz", ".small.png", ".mp4", ".json"}
    facts = json.loads((tmp_path / "00003-a.json").read_text())
    assert facts["picture_failed"] == record["picture_failed"]
    assert warnings_in(caplog) == [
        f"{tmp_path}/00003-a.png could not be made: ValueError: no such backend"
    ]
    caplog.clear()

    (tmp_path / "00003-a.small.png").unlink()
    (tmp_path / "00003-a.small.png").mkdir()
    drawn = {".png": lambda: b"png", ".small.png": lambda: b"small"}
    record = write_clip(epath.Path(tmp_path), clip(pictures=drawn))
    assert record["picture"] and {*record["files"]} == {".wav", ".npz", ".png", ".json"}
    assert record["picture_failed"].endswith("00003-a.small.png': Is a directory")
    assert len(warnings_in(caplog)) == 1


def warnings_in(caplog):
    said = {r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING}
    return sorted(said)


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_a_full_disk_stops_a_run_that_writes_videos_or_pictures(suffix, tmp_path, monkeypatch):
    def write(path, content):
        if str(path).endswith(suffix):
            raise StorageError("the disk is full")

    monkeypatch.setattr(clip_files, "write_whole", write)
    with pytest.raises(StorageError):
        write_clip(epath.Path(tmp_path), clip(make_video=lambda: b"video"))
