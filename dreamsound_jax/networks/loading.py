"""Loads a model: a folder with `card.json` and `weights` (orbax)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from dreamsound_jax.networks.architectures import ARCHITECTURES
from dreamsound_jax.networks.card import Card, read_card
from dreamsound_jax.networks.compressed import CompressedNetwork
from dreamsound_jax.networks.network import Network
from dreamsound_jax.networks.weights_digest import DIGEST_FILE, check_digest, digest_files
from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.system.errors import UserError, find_choice
from dreamsound_jax.system.shipped import model_names, shipped
from dreamsound_jax.system.storage import is_cloud, local_copy, path_of


class Model(NamedTuple):
    """A network and its card."""

    card: Card
    network: Network


def load_model(
    name: str = "gm",
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    dtype: DTypeLike = jnp.float32,
) -> Model:
    """Loads a model by its name, or from any checkpoint folder.

    Args:
      name: one of `list_models()`; ignored with `checkpoint`.
      checkpoint: a folder with `card.json` and `weights`; local, gs:// or s3://.
      dtype: of the weights, and so of the network's arithmetic.

    Raises:
      UserError: there is no such model, or it has no weights, or they are damaged or do not match
        the card.

    Example:
      >>> model = load_model("gm")
      >>> len(model.card.classes), model.card.front_end.sample_rate
      (16, 22050)
    """
    folder = _find_folder(name, checkpoint)
    card = read_card(folder)
    if not (folder / "weights").exists():
        where = f"; {card.weights_from}" if card.weights_from else ""
        raise UserError(
            f"model {card.name} has no weights in {folder}{where}; --model=gm is included"
        )
    weights = _load_weights(folder, weight_shapes(card))
    return Model(card, build_network(card, weights, dtype=dtype))


def find_digest(
    name: str = "gm", *, checkpoint: str | os.PathLike[str] | None = None
) -> str | None:
    """Returns a digest of the weights of a model, by which it is seen whether they were replaced.

    It is the one that stands beside them or, of a local checkpoint of an early version, that of
    their files; None if neither can be read.

    Args:
      name, checkpoint: as for `load_model`.

    Example:
      >>> len(find_digest("gm"))
      64
    """
    weights = _find_folder(name, checkpoint) / "weights"
    try:
        if (weights / DIGEST_FILE).exists():
            return (weights / DIGEST_FILE).read_text().strip()
        return None if is_cloud(weights) else digest_files(weights)
    except Exception:  # Each cloud client has its own family of errors.
        return None


def _find_folder(name, checkpoint):
    """Returns the folder of a model; Orbax takes no relative path."""
    folder = checkpoint or _find_model(name)
    if not is_cloud(folder):
        folder = os.path.abspath(os.path.expanduser(folder))
    return path_of(folder)


def find_checkpoint(name: str) -> Path:
    """Returns the folder of a network that is given by its folder, or by its model's name.

    A folder is taken for one if it holds a card.

    Raises:
      UserError: there is neither such a folder nor such a model.

    Example:
      >>> find_checkpoint("gm").name
      'gm'
    """
    return Path(name) if (Path(name) / "card.json").is_file() else _find_model(name)


def _find_model(name):
    return shipped("checkpoints") / find_choice("model", name, model_names())


def build_network(
    card: Card, weights: Mapping[str, Any], *, dtype: DTypeLike = jnp.float32
) -> Network:
    """Returns the network that a card describes, with `weights` as `weight_shapes` shapes them."""
    build = ARCHITECTURES[card.family].build
    network = build(weights, len(card.classes), dtype=dtype, **card.size)
    if card.front_end.compression == DECIBEL:
        return network
    return CompressedNetwork(network, card.front_end, network.architecture)


def weight_shapes(card: Card) -> dict[str, Any]:
    """Returns the weights of the network that a card describes, as `jax.ShapeDtypeStruct`s."""
    return ARCHITECTURES[card.family].weight_shapes(len(card.classes), **card.size)


def _load_weights(folder, expected):
    # Importing orbax adds a handler to the root logger, which importing this package must not do.
    from orbax.checkpoint import v1 as ocp

    try:
        with local_copy(folder / "weights") as weights:
            _check_shapes(folder, expected, ocp.metadata(weights).metadata)
            # As NumPy arrays: orbax would tie JAX's arrays to a device, and so everything that is
            # computed from them; what is not tied would then need programs of its own.
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), expected)
            loaded = ocp.load(weights, like)
            if (weights / DIGEST_FILE).exists():
                check_digest(folder, (weights / DIGEST_FILE).read_text(), loaded)
            return loaded
    except UserError:
        raise
    except Exception as error:  # orbax and tensorstore each have their own families of errors
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the checkpoint {folder} is damaged; copy or convert it again: {reason}"
        ) from error


def _check_shapes(folder, expected, stored):
    shapes = [
        {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in flat}
        for flat in map(jax.tree_util.tree_leaves_with_path, (expected, stored))
    ]
    names = sorted(set(shapes[0]) | set(shapes[1]))
    wrong = [
        f"{name} is {shapes[1].get(name, 'missing')}, not {shapes[0].get(name, 'expected')}"
        for name in names
        if shapes[0].get(name) != shapes[1].get(name)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" * (len(wrong) > 3)
        raise UserError(
            f"the weights in {folder} do not match its card; copy or convert it again: "
            f"{'; '.join(wrong[:3])}{more}"
        )
