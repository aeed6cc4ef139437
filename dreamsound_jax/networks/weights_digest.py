"""A digest of a network's weights, by which a damaged checkpoint is noticed.

The format of the weights has no checksum: a bit that has changed on the disk would change what the
network computes, and nothing would say so.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamsound_jax.system.errors import UserError

DIGEST_FILE = "sha256.txt"
"""The file in the folder of the weights that holds their digest."""


def digest_layer(arrays: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of the arrays of one layer, {name: array}.

    Example:
      >>> digest_layer({"bias": np.zeros(2, np.float32)})[:8]
      '17a02467'
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], np.float32)  # As they are loaded.
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def combine_digests(layers: Mapping[str, str]) -> str:
    """Returns the digest of all weights from those of the layers, {layer: digest}."""
    lines = "".join(f"{name} {layers[name]}\n" for name in sorted(layers))
    return hashlib.sha256(lines.encode()).hexdigest()


def digest_files(folder: str | os.PathLike) -> str:
    """Returns a digest of the names and contents of all files in a local folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)} {content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def check_digest(
    folder: str | os.PathLike, expected: str, weights: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raises UserError if the weights, {layer: arrays}, of a folder are not those of its digest."""
    found = combine_digests({layer: digest_layer(arrays) for layer, arrays in weights.items()})
    if found != expected.strip():
        raise UserError(
            f"the checkpoint {folder} is damaged: its weights are not those that were written; "
            "copy or convert it again"
        )
