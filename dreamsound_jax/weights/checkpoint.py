"""Writes a checkpoint: the weights, `card.json` for programs and `README.md` for readers."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.networks.weights_digest import DIGEST_FILE, combine_digests, digest_layer
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import encode_json
from dreamsound_jax.weights.model_card import render_model_card

DISK_MARGIN = 32 * 2**20  # Bytes. The cards and pictures beside the weights are far smaller.
STREAMING_THRESHOLD = 128 * 2**20  # Bytes. Smaller checkpoints are saved at once, in fewer files.
CHUNK = 16 * 2**20  # Bytes that are written at a time while streaming.


def write_checkpoint(
    folder: str | os.PathLike,
    layers: Iterable[tuple[str, Mapping[str, np.ndarray]]],
    card: Mapping[str, Any],
    *,
    size: int,
    files: Mapping[str, bytes] | None = None,
    check: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Writes a checkpoint completely or not at all.

    Everything is written to a temporary folder beside `folder`, which is then renamed. A process
    that is killed therefore leaves the old checkpoint intact (in the worst case renamed to
    `.NAME.old`) and never half of the new one.

    Args:
      folder: the checkpoint's folder. A checkpoint that is already there is replaced.
      layers: pairs of a layer's name and its arrays, {"kernel", "bias"}. A large checkpoint is
        written layer by layer, so an iterator need not hold all layers in memory at once.
      card: the entries of the model card, as JSON types; see `render_model_card`.
      size: the size of all arrays together, in bytes.
      files: {file name: contents} of further files.
      check: called with the folder of the whole checkpoint before it takes its place; what it
        raises leaves everything as it was.

    Raises:
      UserError: the disk is full or not writable, or `folder` holds something other than a
        checkpoint, or `layers` or `check` raised it. An existing checkpoint is left unchanged,
        and no temporary files remain.
    """
    folder = Path(folder).absolute()
    check_destination(folder, size=size)
    new, old = (folder.parent / f".{folder.name}.{age}" for age in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        _save_weights(new / "weights", layers, size)
        write_cards(new, card)
        for name, content in (files or {}).items():
            (new / name).write_bytes(content)
        check(new)
        _replace_folder(folder, new, old)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write the checkpoint {folder}: {reason_of(error)}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_destination(folder: str | os.PathLike, *, size: int) -> None:
    """Checks that a checkpoint of `size` bytes can be written to `folder`.

    Raises:
      UserError: `folder` holds something other than a checkpoint, the disk has too little space, or
        it is not writable.
    """
    folder = Path(folder).absolute()
    if not _is_replaceable(folder):
        raise UserError(
            f"the folder {folder} must be new, empty or a checkpoint, but holds something else"
        )
    parent = next(parent for parent in folder.parents if parent.is_dir())
    free, needed = shutil.disk_usage(parent).free, size + DISK_MARGIN
    if free < needed:
        raise UserError(
            f"not enough disk space for the checkpoint {folder}: it needs {needed / 1e6:.0f} MB, "
            f"and {free / 1e6:.0f} MB are free"
        )
    try:
        _reserve_space(parent, needed)
    except OSError as error:
        raise UserError(f"cannot write the checkpoint {folder}: {reason_of(error)}") from error


def write_cards(folder: Path, card: Mapping[str, Any]) -> None:
    """Writes `card.json` and `README.md` into a checkpoint's folder."""
    (folder / "card.json").write_bytes(encode_json(card))
    # Names may come from anywhere, and no letter of them is worth a trained network.
    page = render_model_card(card).encode("utf-8", errors="replace")
    (folder / "README.md").write_bytes(page)


def _is_replaceable(folder):
    if not folder.exists():
        return True
    return folder.is_dir() and ((folder / "card.json").exists() or not any(folder.iterdir()))


def _reserve_space(folder, size):
    """Allocates `size` bytes and frees them again, because a quota may limit this user further."""
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _save_weights(path, layers, size):
    digests: dict[str, str] = {}
    layers = _note_digests(layers, digests)
    if size < STREAMING_THRESHOLD:
        ocp.save(path, dict(layers))
    else:
        _stream_weights(path, layers)
    # Orbax notes the temporary folder's path in this file, which is wrong after the renaming.
    for marker in path.rglob("commit_success.txt"):
        marker.write_text("")
    (path / DIGEST_FILE).write_text(f"{combine_digests(digests)}\n")


def _note_digests(layers, digests):
    """Yields the layers, and adds {layer: its digest} to `digests` as they pass."""
    for layer, arrays in layers:
        digests[layer] = digest_layer(arrays)
        yield layer, arrays
        del arrays  # Frees this layer before the iterator makes the next one.


def _stream_weights(path, layers):
    """Writes the layers one by one, which needs little more memory than the largest layer."""
    context = ocp.Context()
    context.array.saving.storage_options.chunk_byte_size = CHUNK
    # The OCDBT format packs arrays into few files, and keeps all of them in memory until then.
    context.array.saving.use_ocdbt = False
    with context:
        for layer, arrays in layers:
            # Orbax does not copy a jax.Array, and device_put does not copy aligned memory.
            ocp.partial.save(path, {layer: jax.device_put(arrays, may_alias=True)})
            del arrays  # Frees this layer before the iterator makes the next one.
        ocp.partial.finalize(path)


def _replace_folder(folder, new, old):
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
