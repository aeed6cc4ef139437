"""Writes a checkpoint: weights, a card for programs, a card for readers."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import jax
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.model_card import model_card

DISK_MARGIN = 32 * 2**20  # bytes; what stands beside the weights is far smaller
STREAMED = 128 * 2**20  # bytes; smaller checkpoints are written at once, into fewer files
PIECE = 16 * 2**20  # bytes


def publish(folder, layers, card, *, size, pictures=None):
    """Writes a checkpoint, whole or not at all.

    All is written beside `folder` and then renamed into place, so that a killed run leaves the
    old checkpoint (at worst under the name `.NAME.old`) and never half a new one.

    Args:
      folder: where to; an older checkpoint there is replaced.
      layers: (layer, {"kernel", "bias"}) pairs, arrays; each is written before the next is asked
        for, so that they need not be in memory together.
      card: what to know about it, as JSON types; see `model_card`.
      size: of all arrays, in bytes.
      pictures: {file name: bytes}.

    Raises:
      UserError: the disk is full or cannot be written, or `folder` is something else than a
        checkpoint. Nothing is left behind, and an older checkpoint stays.
    """
    folder = Path(folder).absolute()
    check_place(folder, size=size)
    new, old = (folder.parent / f".{folder.name}.{age}" for age in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        _save(new / "weights", layers, size)
        write_cards(new, card)
        for name, picture in (pictures or {}).items():
            (new / name).write_bytes(picture)
        _replace(folder, new, old)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write the checkpoint {folder}: {reason_of(error)}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_place(folder, *, size):
    """Raises UserError if a checkpoint of `size` bytes cannot be written to `folder`."""
    folder = Path(folder).absolute()
    taken = folder.exists() and not (folder.is_dir() and (folder / "card.json").exists())
    if taken and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} is there, and no checkpoint; accepted is a new folder, or one")
    place = next(parent for parent in folder.parents if parent.is_dir())
    free, needed = shutil.disk_usage(place).free, size + DISK_MARGIN
    if free < needed:
        raise UserError(
            f"no room for the checkpoint {folder}: it needs {needed / 1e6:.0f} MB, and "
            f"{free / 1e6:.0f} MB are free"
        )
    try:
        _reserve(place, needed)
    except OSError as error:
        raise UserError(f"cannot write the checkpoint {folder}: {reason_of(error)}") from error


def _reserve(place, size):
    """Takes room on the disk, and gives it back: there may be some, but not for this user."""
    with tempfile.TemporaryFile(dir=place) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _save(path, layers, size):
    if size < STREAMED:
        ocp.save(path, dict(layers))
    else:
        _stream(path, layers)
    # Orbax notes the folder that it wrote to, which is renamed, and nobody else's business.
    for marker in path.rglob("commit_success.txt"):
        marker.write_text("")


def _stream(path, layers):
    """Writes a layer at a time, in small pieces: little more memory than the largest layer."""
    context = ocp.Context()
    context.array.saving.storage_options.chunk_byte_size = PIECE
    # OCDBT, which packs arrays into few files, keeps all that it packs in memory.
    context.array.saving.use_ocdbt = False
    with context:
        for layer, arrays in layers:
            # Of a jax.Array orbax makes no copy; nor does this, of memory that is aligned.
            ocp.partial.save(path, {layer: jax.device_put(arrays, may_alias=True)})
            del arrays  # before the next layer is there
        ocp.partial.finalize(path)


def _replace(folder, new, old):
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def write_cards(folder, card):
    """Writes `card.json` and `README.md` into a checkpoint's folder."""
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "README.md").write_text(model_card(card))
