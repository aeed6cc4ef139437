"""Loads a model: a folder with `card.json` and `weights` (orbax)."""

import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.networks.card import Card, read_card
from dreamsound_jax.networks.catalogue import model_names
from dreamsound_jax.networks.vgg19 import VGG19
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.system.storage import is_cloud, local_copy


class Model(NamedTuple):
    """A `Card` and its network: (graphdef, state), as `flax.nnx.split` gives it."""

    card: Card
    network: tuple[Any, Any]


def load(name="gm", *, checkpoint=None, dtype=jnp.float32):
    """Loads a model by its name, or from any checkpoint folder.

    Args:
      name: one of `model_names()`; ignored with `checkpoint`.
      checkpoint: a folder with `card.json` and `weights`; local, gs:// or s3://.
      dtype: of the weights, and so of the network's arithmetic.

    Raises:
      UserError: no such model; no weights; weights that are damaged or do not match the card.
    """
    folder = checkpoint or shipped("checkpoints") / nearest_or_fail("model", name, model_names())
    if not is_cloud(folder):
        folder = os.path.abspath(os.path.expanduser(folder))  # orbax takes no relative path
    folder = epath.Path(folder)
    card = read_card(folder)
    if not (folder / "weights").exists():
        where = f"; {card.weights_from}" if card.weights_from else ""
        raise UserError(f"model {card.name} has no weights in {folder}{where}")
    skeleton = _skeleton(card)
    weights = _load_weights(folder, _shapes_of(skeleton))
    return Model(card, _filled(skeleton, weights, dtype))


def network_from(card, weights, *, dtype=jnp.float32):
    """(graphdef, state) of the card's VGG19 with `weights`, {layer: {"kernel", "bias"}}."""
    return _filled(_skeleton(card), weights, dtype)


def _filled(model, weights, dtype):
    nnx.update(model, jax.tree.map(lambda array: jax.device_put(array.astype(dtype)), weights))
    if jax.default_backend() == "cpu":  # elsewhere XLA wants none
        model.keep_forms()
    return nnx.split(model)


def _skeleton(card):
    """The network without values, set to dream: nothing is drawn, nothing is dropped."""

    def build():
        size = {"width": card.width, "hidden": card.hidden}
        return VGG19(len(card.classes), rngs=nnx.Rngs(0), **size)

    model = nnx.eval_shape(build)
    model.eval()
    model.dropout1.rngs = model.dropout2.rngs = None
    return model


def weight_shapes(card):
    """{layer: {"kernel", "bias"}} of the card's VGG19, as `jax.ShapeDtypeStruct`s."""
    return _shapes_of(_skeleton(card))


def _shapes_of(skeleton):
    return nnx.to_pure_dict(nnx.state(skeleton, nnx.Param))


def _load_weights(folder, expected):
    try:
        with local_copy(folder / "weights") as weights:
            _check_shapes(folder, expected, ocp.metadata(weights).metadata)
            # As NumPy arrays: orbax would tie JAX's to a device, and so all that is computed of
            # them. What was not would need programs of its own.
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), expected)
            return ocp.load(weights, like)
    except UserError:
        raise
    except Exception as error:  # orbax and tensorstore each have their own families of errors
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the checkpoint {folder} is damaged: {reason}") from error


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
        raise UserError(f"the weights in {folder} do not match its card: {'; '.join(wrong)}")
