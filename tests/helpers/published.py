"""A published model for tests: a card that names a file, its SHA-256 and its URL."""

import hashlib
import json

from dreamsound_jax.networks import catalogue, loading
from dreamsound_jax.system import shipped as folders
from dreamsound_jax.weights import conversion_request
from tests.helpers.tiny import CARD


def publish_tiny_model(checkpoints, content, monkeypatch):
    """Makes `checkpoints` the shipped folder, with one published model `tiny` without weights.

    Args:
      checkpoints: the folder to create.
      content: the bytes of the published file.
      monkeypatch: pytest's.

    Returns:
      The model's folder.
    """
    source = {
        "file": "tiny.pth",
        "url": "http://127.0.0.1:9/tiny.pth",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    card = CARD.entries() | {"description": "For a test."}
    card |= {"source": source, "weights_from": "run the converter"}
    (checkpoints / "tiny").mkdir(parents=True)
    (checkpoints / "tiny/card.json").write_text(json.dumps(card))
    for module in (folders, catalogue, conversion_request, loading):
        monkeypatch.setattr(module, "shipped", lambda folder: checkpoints)
    return checkpoints / "tiny"


def set_source_url(folder, url):
    """Changes the URL in the card of a published model."""
    card = json.loads((folder / "card.json").read_text())
    card["source"]["url"] = url
    (folder / "card.json").write_text(json.dumps(card))
