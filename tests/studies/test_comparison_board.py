import sys

import numpy as np
import pytest
import soundfile

from dreamsound_jax.system.errors import UserError
from studies.optimizers.board import write_board
from tests.helpers.compared import comparison

STRENGTHS = {"sgd": 1.0, "adam/b1": 1.5}


def board(folder, clips=(), settings=("a=1", "a=2")):
    rows, costs = comparison(strengths=STRENGTHS, settings=settings, seeds=2)
    write_board(folder, rows, costs, clips, baseline="sgd")
    return {path.parent.relative_to(folder).as_posix(): path for path in folder.rglob("*.*.*")}


def test_each_optimizer_has_a_run_with_curves_outcome_and_sounds(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes them")
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.full(2000, 0.5), 22050)
    told = {"setting": "a=1", "input": "noise", "path": str(sound)}
    clips = [told | {"optimizer": optimizer} for optimizer in (None, "sgd")]
    logs = board(tmp_path / "board", clips)
    runs = {f"a={setting}/{name}" for setting in (1, 2) for name in ("sgd", "adam%2Fb1")}
    assert set(logs) == runs | {"a=1/input"}
    content = logs["a=1/sgd"].read_bytes()
    for part in (b"dream/gain", b"end/times", b"_hparams_/experiment", b"WAVE"):
        assert part in content
    assert b"dream/p_class" in content and b"dream/level" not in content
    assert b"WAVE" in logs["a=1/input"].read_bytes() and b"WAVE" not in logs["a=2/sgd"].read_bytes()


def test_at_a_second_time_logs_are_replaced(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes them")
    old = tmp_path / "sgd/events.out.tfevents.1.old"
    old.parent.mkdir()
    old.write_bytes(b"old")
    assert board(tmp_path, settings=("",))["sgd"] != old and not old.exists()


def test_what_is_missing_is_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="cannot read"):
        board(tmp_path, [{"setting": "a=1", "optimizer": "sgd", "input": "x", "path": "no.wav"}])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write TensorBoard's logs to .*file"):
        board(tmp_path / "file")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)  # importing it now fails
    with pytest.raises(UserError, match=r"need tensorboardX: pip install -e '\.\[train\]'"):
        board(tmp_path)
