"""Checkpoints are written, read and checked."""

import json

import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.networks import loading
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights import checkpoint
from tests.helpers.tiny import CARD, as_module, random_weights

ENTRIES = {
    "name": "tiny",
    "description": "For a test.",
    **CARD.entries(),
    "source": {"data": "none"},
    "license": "MIT",
    "accuracy": {"held_out": 0.75},
    "per_class": {"class_0": {"held_out": 1.0}, "class_1": {"held_out": None}},
    "rebuild_needs": "With nothing:",
    "rebuild": "python scripts/train_classifier.py",
    "date": "2026-01-01",
    "versions": {"jax": "0"},
}
WEIGHTS = random_weights()


def write(folder, bias, **options):
    """Writes a tiny checkpoint whose output layer has this bias."""
    output = {**WEIGHTS["output"], "bias": np.full(len(CARD.classes), bias)}
    layers = {**WEIGHTS, "output": output}.items()
    checkpoint.write_checkpoint(folder, layers, ENTRIES, size=10**6, **options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write(folder, 3.0, files={"confusion.png": b"picture"})
    return folder


def test_what_a_check_refuses_leaves_the_old_checkpoint(tmp_path):
    write(tmp_path / "a", 3.0)
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}

    def refuse(folder):
        assert (folder / "card.json").exists() and (folder / "weights").exists()
        raise UserError("it hears something else")

    with pytest.raises(UserError, match="hears something else"):
        write(tmp_path / "a", 4.0, check=refuse)
    after = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    assert after == before and [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_checkpoint_is_loaded_from_its_folder(tiny):
    model = loading.load_model(checkpoint=tiny)
    assert model.card == CARD
    np.testing.assert_array_equal(as_module(model.network).output.bias[...], np.full(6, 3))
    assert (tiny / "confusion.png").read_bytes() == b"picture"


def test_no_file_contains_the_path_that_it_was_written_to(tiny):
    for path in tiny.rglob("*"):
        assert path.is_dir() or str(tiny.parent).encode() not in path.read_bytes(), path


def test_the_readme_shows_the_entries_of_the_card(tiny):
    page = (tiny / "README.md").read_text()
    for words in ("| class_0 | 100.0 % |", "| class_1 | no clips |", "| all | 75.0 % |"):
        assert words in page
    assert ENTRIES["rebuild"] in page and "- data: none" in page and "## Dreams" not in page


def test_large_weights_are_streamed_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "STREAMING_THRESHOLD", 0)
    monkeypatch.setattr(checkpoint, "CHUNK", 4096)
    write(tmp_path / "tiny", 3.0)
    loaded = loading.load_model(checkpoint=tmp_path / "tiny").network.weights
    expected = WEIGHTS["linear1"]["kernel"].astype(np.float32)
    np.testing.assert_array_equal(loaded["linear1"]["kernel"][...], expected)


@pytest.mark.parametrize("step", ["save", "render_model_card", "_replace_folder"])
def test_a_killed_write_leaves_the_old_checkpoint_intact(tmp_path, monkeypatch, step):
    write(tmp_path / "tiny", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.ocp if step == "save" else checkpoint, step, _die_halfway)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "tiny", 2.0)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [1] * 6
    assert json.loads((tmp_path / "tiny/card.json").read_text()) == ENTRIES
    write(tmp_path / "tiny", 2.0)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [2] * 6
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def _die_halfway(path, *_):
    if hasattr(path, "mkdir") and path.name == "weights":
        path.mkdir()
    raise KeyboardInterrupt


def test_only_an_empty_folder_or_a_checkpoint_is_replaced(tmp_path):
    (tmp_path / "song.wav").write_text("precious")
    for place in (tmp_path, tmp_path / "song.wav"):
        with pytest.raises(UserError, match="must be new, empty or a checkpoint"):
            write(place, 1.0)
    assert (tmp_path / "song.wav").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", 1.0)


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10**6})
    monkeypatch.setattr("dreamsound_jax.weights.checkpoint.shutil.disk_usage", lambda place: usage)
    with pytest.raises(UserError, match="not enough disk space .* 1 MB are free"):
        write(tmp_path / "tiny", 1.0)
    assert not list(tmp_path.iterdir())
