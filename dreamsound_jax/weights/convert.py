"""Converts a file of PyTorch, safetensors or TensorFlow to a checkpoint."""

import hashlib
import os
from pathlib import Path

import jax

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import card_from_entries, read_entries
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.checkpoint import check_destination, write_checkpoint
from dreamsound_jax.weights.conversion_request import ConversionRequest, known_digest
from dreamsound_jax.weights.first_hearing import SOUND, check_hearing, hear_reference
from dreamsound_jax.weights.sources import check_regular_file, open_layers, read_license

# A larger network, in bytes, is not loaded to let it hear unless its card states what it must hear:
# conversion needs little memory.
MOST_HEARD = 2**28


def convert_weights(path: str | os.PathLike, request: ConversionRequest) -> str:
    """Converts the file at `path` to the requested checkpoint.

    The layers are converted one by one, so this needs little more memory than the largest layer.

    Returns:
      Lines for the user: the checkpoint, the flag that selects it, and what the network hears in
      a recording.

    Raises:
      UserError: the file is not one of such a network, it is not the published file, the
        checkpoint cannot be written, or the network hears something else than it should.
    """
    path = _find_file(path)
    entries = request.card_entries()
    card = card_from_entries(entries, source="the card")
    size = sum(4 * leaf.size for leaf in jax.tree.leaves(loading.weight_shapes(card)))
    check_destination(request.folder, size=size)
    _refuse_to_replace_trained_network(request.folder)
    with open_layers(path, card, entries) as (layers, statistics):
        entries |= statistics | _describe_source(path, request)
        lines = [f"wrote {request.folder}; use it with {request.model_flag}"]
        lines += _describe_verification(request)

        def let_hear(folder):
            if size <= MOST_HEARD or "heard_in_drums" in entries:
                lines.append(_describe_hearing(folder, entries))
            else:
                lines.append("it was not run on a sound, since it is large: check what it hears")

        write_checkpoint(
            request.folder,
            layers,
            entries,
            size=size,
            files=read_license(path, entries),
            check=let_hear,
        )
    return "\n".join(lines)


def _find_file(path):
    """Returns a path, or the index in the folder of an unpacked checkpoint of TensorFlow."""
    path = os.path.expanduser(path)
    check_regular_file(path)
    if not os.path.isdir(path):
        return path
    index = os.path.join(path, ".index")
    if not os.path.exists(index):
        raise UserError(f"{path} must be a file of weights, and is a folder")
    return index


def _describe_hearing(folder, entries):
    """Says what a network hears; UserError if it must hear something else."""
    heard = hear_reference(folder)
    check_hearing(heard, entries)
    words = ", ".join(f"{name} {probability:.0%}" for name, probability in heard.items())
    return f"in {SOUND} it hears {words}: if that cannot be, the front end is another"


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
    if published is None:
        return {"source": _describe_file(path)}
    expected = published["source"]
    if known_digest(expected) is None:
        return {"source": _describe_file(path), "published": expected}
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
    return {"source": _describe_file(path), "published": expected}


def _describe_verification(request):
    """Returns a line for the user if the file of a published model has no known digest."""
    published = request.published_entries
    if published is None or known_digest(published["source"]):
        return []
    return [
        f"no digest of {published['source']['file']} is known, so the file itself could not be "
        "verified; its shapes and its mel filters are those of the card"
    ]


def _describe_file(path):
    return {"file": Path(path).name, "sha256": _compute_digest(path, "sha256")}


def _compute_digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
