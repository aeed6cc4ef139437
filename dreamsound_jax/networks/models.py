"""Named models: a folder with `card.json` (classes, statistics, size) and `weights` (orbax)."""

import contextlib
import json
import os
import tempfile
import textwrap
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.audio.audio import is_cloud
from dreamsound_jax.networks.vgg19 import LAYERS, VGG19
from dreamsound_jax.system.errors import UserError, nearest_or_fail, reason_of
from dreamsound_jax.system.shipped import shipped


@dataclass(frozen=True)
class Card:
    """What dreaming needs to know of a network.

    Attributes:
      name: what `--model` calls it.
      classes: the names of its outputs.
      mean, std: of its training spectrograms, in dB.
      width: multiplies VGG19's channels; hidden: features of its two hidden layers.
      weights_from: where weights that are not shipped can be had; "" if they are.
    """

    name: str
    classes: tuple[str, ...]
    mean: float
    std: float
    width: float = 1.0
    hidden: int = 4096
    weights_from: str = ""

    def standardise(self, mel_db):
        """dB to standard deviations of the training set."""
        return (mel_db - self.mean) / self.std

    def destandardise(self, spectrogram):
        """The inverse of `standardise`."""
        return spectrogram * self.std + self.mean

    def class_index(self, wanted):
        """The index of class `wanted`, a name or an index; UserError if there is no such class."""
        if isinstance(wanted, str):
            return self.classes.index(nearest_or_fail("class", wanted, self.classes))
        if not 0 <= wanted < len(self.classes):
            numbered = ", ".join(f"{index} {name}" for index, name in enumerate(self.classes))
            raise UserError(f"no class {wanted} in model {self.name}; its classes: {numbered}")
        return wanted


class Model(NamedTuple):
    """A `Card` and its network: (graphdef, state), as `flax.nnx.split` gives it."""

    card: Card
    network: tuple[Any, Any]


def model_names():
    """The names that `--model` takes: every folder of `checkpoints` with a card."""
    return sorted(card.parent.name for card in shipped("checkpoints").glob("*/card.json"))


def overview():
    """What `--list_models` prints: each model, its classes, and where it is or how to get it."""
    told = [_told(shipped("checkpoints") / name) for name in model_names()]
    return "\n\n".join([*told, "layers of each, shallow to deep:\n" + _indented(LAYERS)])


def _told(folder):
    try:
        card = read_card(folder)
    except UserError as error:
        return f"{folder.name}\n  cannot be used: {error}"
    there = (folder / "weights").exists()
    place = f"checkpoint: {folder}" if there else f"no weights here: {card.weights_from}"
    return f"{folder.name}\n  {len(card.classes)} classes:\n{_indented(card.classes)}\n  {place}"


def _indented(names):
    return textwrap.fill(", ".join(names), 96, initial_indent="    ", subsequent_indent="    ")


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


def read_card(folder):
    """The `Card` in a checkpoint folder; UserError if it is missing or not a model card."""
    entries = read_entries(folder)
    try:
        known = {field.name for field in fields(Card)}
        chosen = {name: value for name, value in entries.items() if name in known}
        return Card(**{**chosen, "classes": tuple(chosen["classes"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{_card_path(folder)} is not a model card: {error!r}") from None


def read_entries(folder):
    """All that a checkpoint folder's card says, as JSON types; UserError as `read_card`."""
    path = _card_path(folder)
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{folder} is not a checkpoint: it has no card.json") from None
    except ValueError as error:
        raise UserError(f"{path} is not a model card: {error!r}") from None
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error


def _card_path(folder):
    return epath.Path(folder) / "card.json"


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
        with _on_disk(folder / "weights") as weights:
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


@contextlib.contextmanager
def _on_disk(folder):
    """The folder itself, or, of one in a store, a copy for as long as it is needed.

    Orbax takes s3:// for a relative path, and reaches gs:// with other credentials than epath.
    """
    if not is_cloud(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        copy = epath.Path(place) / folder.name
        _copy(folder, copy)
        yield copy


def _copy(source, target):
    """Copies a folder and what is in it. (`epath.Path.walk` loses the s3:// of what it finds.)"""
    if not source.is_dir():
        target.write_bytes(source.read_bytes())
        return
    target.mkdir()
    for each in source.iterdir():
        _copy(each, target / each.name)


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
