"""Converts a PyTorch file to a checkpoint."""

import hashlib
import os
from pathlib import Path

import jax

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import card_from_entries, read_entries
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.checkpoint import check_destination, write_checkpoint
from dreamsound_jax.weights.conversion_request import ConversionRequest, known_digest
from dreamsound_jax.weights.panns_weights import convert_panns
from dreamsound_jax.weights.torch_file import open_state_dict
from dreamsound_jax.weights.torch_weights import convert_state_dict


def convert_weights(path: str | os.PathLike, request: ConversionRequest) -> str:
    """Converts the PyTorch file at `path` to the requested checkpoint.

    The layers are converted one by one, so this needs little more memory than the largest layer.

    Returns:
      A sentence for the user that names the checkpoint and the flag that selects it.

    Raises:
      UserError: the file is not a state dict of such a network, it is not the published file, or
        the checkpoint cannot be written.
    """
    entries = request.card_entries()
    card = card_from_entries(entries, source="the card")
    shapes = loading.weight_shapes(card)
    size = sum(4 * leaf.size for leaf in jax.tree.leaves(shapes))
    check_destination(request.folder, size=size)
    _refuse_to_replace_trained_network(request.folder)
    with open_state_dict(path) as tensors:
        if card.family == "panns":
            layers, statistics = convert_panns(tensors, card)
        else:
            layers, statistics = convert_state_dict(tensors, shapes), {}
        entries |= statistics | _describe_source(path, request)
        write_checkpoint(request.folder, layers, entries, size=size)
    return f"wrote {request.folder}; use it with {request.model_flag}"


def _refuse_to_replace_trained_network(folder):
    if (folder / "card.json").exists() and "rebuild" in read_entries(folder):
        raise UserError(
            f"{folder} holds a network that was trained here; choose another --model or --output"
        )


def _describe_source(path, request):
    """Returns the card's entry `source`, and for another file than the published one `published`.

    Raises:
      UserError: the file is not the published one, and `request.verify_hash` is set.
    """
    published = request.published_entries
    source = {"file": Path(path).name, "sha256": _compute_digest(path, "sha256")}
    if published is None:
        return {"source": source}
    expected = published["source"]
    algorithm, known = known_digest(expected)
    digest = _compute_digest(path, algorithm)
    if digest == known:
        return {"source": expected}
    if request.verify_hash:
        name = {"sha256": "SHA-256", "md5": "MD5"}[algorithm]
        raise UserError(
            f"{path} is not the published {expected['file']}: its {name} must be {known}, "
            f"got {digest}; use --noverify_hash to convert it anyway"
        )
    return {"source": source, "published": expected}


def _compute_digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
