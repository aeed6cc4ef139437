import json

import numpy as np
import pytest
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.networks import loading
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights import publish as publishing
from dreamsound_jax.weights.publish import publish
from tests.helpers.tiny import CARD, random_weights

ENTRIES = {
    "name": "tiny",
    "description": "For a test.",
    "classes": list(CARD.classes),
    "mean": CARD.mean,
    "std": CARD.std,
    "width": CARD.width,
    "hidden": CARD.hidden,
    "source": {"data": "none"},
    "license": "MIT",
    "accuracy": {"held_out": 0.75},
    "per_class": {"class_0": {"held_out": 1.0}, "class_1": {"held_out": None}},
    "rebuild_needs": "With nothing:",
    "rebuild": "python scripts/train_classifier.py",
    "date": "2026-01-01",
    "versions": {"jax": "0"},
}


def publish_tiny(folder, bias, **options):
    weights = random_weights()
    weights["output"]["bias"] = np.full(len(CARD.classes), bias)
    publish(folder, weights.items(), ENTRIES, size=10**6, **options)


def test_a_published_checkpoint_is_loaded_by_its_folder(tmp_path):
    publish_tiny(tmp_path / "tiny", 3.0, pictures={"confusion.png": b"picture"})
    model = loading.load(checkpoint=tmp_path / "tiny")
    assert model.card == CARD
    np.testing.assert_array_equal(nnx.merge(*model.network).output.bias[...], np.full(6, 3))
    assert (tmp_path / "tiny/confusion.png").read_bytes() == b"picture"
    for path in (tmp_path / "tiny").rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path


def test_the_page_tells_what_the_card_knows(tmp_path):
    publish_tiny(tmp_path / "tiny", 0.0)
    page = (tmp_path / "tiny/README.md").read_text()
    for words in ("| class_0 | 100.0 % |", "| class_1 | no clips |", "| all | 75.0 % |"):
        assert words in page
    assert ENTRIES["rebuild"] in page and "- data: none" in page and "## Dreams" not in page


def test_large_weights_are_streamed_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "STREAMED", 0)
    monkeypatch.setattr(publishing, "PIECE", 4096)
    publish_tiny(tmp_path / "tiny", 3.0)
    loaded = loading.load(checkpoint=tmp_path / "tiny").network[1]
    expected = random_weights()["linear1"]["kernel"].astype(np.float32)
    np.testing.assert_array_equal(loaded["linear1"]["kernel"][...], expected)


@pytest.mark.parametrize("step", ["save", "model_card", "_replace"])
def test_a_killed_write_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch, step):
    publish_tiny(tmp_path / "tiny", 1.0)
    with monkeypatch.context() as killed:
        killed.setattr(publishing.ocp if step == "save" else publishing, step, _die_halfway)
        with pytest.raises(KeyboardInterrupt):
            publish_tiny(tmp_path / "tiny", 2.0)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [1] * 6
    assert json.loads((tmp_path / "tiny/card.json").read_text()) == ENTRIES
    publish_tiny(tmp_path / "tiny", 2.0)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [2] * 6
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def _die_halfway(path, *_):
    if hasattr(path, "mkdir") and path.name == "weights":
        path.mkdir()
    raise KeyboardInterrupt


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "song.wav").write_text("precious")
    with pytest.raises(UserError, match="is there, and no checkpoint"):
        publish_tiny(tmp_path, 1.0)
    with pytest.raises(UserError, match="is there, and no checkpoint"):
        publish_tiny(tmp_path / "song.wav", 1.0)
    (tmp_path / "empty").mkdir()
    publish_tiny(tmp_path / "empty", 1.0)
    assert (tmp_path / "song.wav").read_text() == "precious"
