"""Opens the files that networks are converted from, each architecture by its own reader."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import VGG19, Card
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import name_special
from dreamsound_jax.weights.musicnn_weights import convert_tensors
from dreamsound_jax.weights.panns_weights import PANNS, convert_panns
from dreamsound_jax.weights.panns_weights import WANTED as PANNS_WANTED
from dreamsound_jax.weights.safetensors_file import is_safetensors, read_safetensors
from dreamsound_jax.weights.tf_checkpoint import read_tf_checkpoint
from dreamsound_jax.weights.torch_file import open_state_dict
from dreamsound_jax.weights.torch_weights import WANTED as VGG19_WANTED
from dreamsound_jax.weights.torch_weights import convert_state_dict

Layers = Iterator[tuple[str, Mapping[str, np.ndarray]]]
# What a checkpoint of TensorFlow without a name consists of.
_TENSORFLOW_FILES = (".index", ".data-00000-of-00001")
# The largest file in a package that is read: the checkpoints of musicnn have 8 MB.
_MOST_BYTES = 2**26


@contextlib.contextmanager
def open_layers(
    path: str | os.PathLike, card: Card, entries: Mapping[str, Any]
) -> Iterator[tuple[Layers, dict[str, float]]]:
    """Opens a file of weights, and yields its layers, which are converted one by one.

    Also yields the entries `mean` and `std` of the card if the file holds them, as one of PANNs'
    does, or {}.

    Args:
      path: the file.
      card: of the network that is wanted.
      entries: of the card, which say where in a package the weights lie.

    Raises:
      UserError: the file is damaged, or of another network.
    """
    check_regular_file(path)
    shapes = loading.weight_shapes(card)
    if card.family == VGG19:
        with _open_tensors(path, VGG19_WANTED) as tensors:
            yield convert_state_dict(tensors, shapes), {}
    elif card.family == PANNS:
        with _open_tensors(path, PANNS_WANTED) as tensors:
            yield convert_panns(tensors, card)
    else:
        with _find_checkpoint(os.fspath(path), entries["source"]) as prefix:
            yield convert_tensors(read_tf_checkpoint(prefix), shapes), {}


def check_regular_file(path: str | os.PathLike) -> None:
    """Raises UserError for a pipe or a device, which could be read for ever."""
    if (kind := name_special(path)) not in ("", "a folder"):
        raise UserError(
            f"{path} must be a file of weights, and is {kind}: save what it holds to a file first"
        )


def _open_tensors(path, wanted):
    """Opens a file of a state dict by its content: {name: tensor} as a context manager."""
    if is_safetensors(path):
        return contextlib.nullcontext(read_safetensors(path))
    return open_state_dict(path, wanted)


@contextlib.contextmanager
def _find_checkpoint(path, source):
    """Yields the prefix of a checkpoint of TensorFlow: `path`, or what lies in a package there."""
    if not zipfile.is_zipfile(path):
        if not path.endswith(".index"):
            raise UserError(
                f"{path} must be the published {source['file']}, or the .index of a checkpoint of "
                "TensorFlow that was unpacked from it, and is neither"
            )
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as package:
        for name in _TENSORFLOW_FILES:
            (Path(folder) / name).write_bytes(_read_member(package, source["member"] + name))
        yield folder


def _read_member(package, name):
    try:
        if package.getinfo(name).file_size > _MOST_BYTES:
            raise UserError(f"{name} in {package.filename} must be smaller than 64 MB")
        return package.read(name)
    except UserError:
        raise
    except KeyError:
        raise UserError(f"{package.filename} must contain {name}, and does not") from None
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError(f"cannot read {name} in {package.filename}: {error}") from error


def read_license(path: str | os.PathLike, entries: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns {"LICENSE": the text} of a package that holds the licence of its weights, or {}."""
    member = entries.get("source", {}).get("license_member")
    if not member or not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as package:
        return {"LICENSE": _read_member(package, member)}
