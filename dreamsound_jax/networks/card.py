"""The card of a model: what dreaming needs to know of a network."""

import json
import os
from dataclasses import dataclass, field, replace

from dreamsound_jax.networks.architectures import ARCHITECTURES
from dreamsound_jax.networks.card_entries import check_classes, check_entries, shorten_message
from dreamsound_jax.networks.network import Architecture
from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.front_end_constants import (
    DB_STATISTICS,
    INPUT_STATISTICS,
    changed_constants,
    check_names,
)
from dreamsound_jax.spectral.loop_front_end import make_circular
from dreamsound_jax.system.errors import UserError, find_choice, nearest_or_fail, reason_of
from dreamsound_jax.system.storage import path_of

# Cards without an entry "architecture" are of VGG19s, and state its size in these entries.
VGG19 = "vgg19"
VGG19_SIZE = ("width", "hidden")


@dataclass(frozen=True)
class Card:
    """What dreaming needs to know of a network; read from `card.json`.

    Attributes:
      name: what `--model` calls it.
      classes: the names of its outputs.
      front_end: how sounds become its spectrograms, with the means and standard deviations of
        those that it was trained on. The entries `mean` and `std` are in dB; a network that is
        shown another compression may have `input_mean` and `input_std` on that scale.
      family: a name of `architectures.ARCHITECTURES`.
      size: what the family needs to know besides the number of classes; of VGG19 `width`, by which
        its channels are multiplied, and `hidden`, the features of its two hidden layers.
      weights_from: where weights that are not shipped can be had; "" if they are.
      default_layer: the layer to dream by where none is named, of a network that has not the
        default layers of the options; "" for its deepest one before the head.
      synonyms: {what people say: the class they mean}, such as {"flute": "pipe"}.
    """

    name: str
    classes: tuple[str, ...]
    front_end: FrontEnd
    family: str = VGG19
    size: dict = field(default_factory=dict)
    weights_from: str = ""
    default_layer: str = ""
    synonyms: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UserError for a wrong name, or mel bands that are not those of the network."""
        check_classes(self.classes)
        if self.default_layer:
            nearest_or_fail("layer", self.default_layer, self.architecture.layers)
        fewest, _ = self.architecture.layer(self.architecture.class_layer).stride
        if self.front_end.n_mels < fewest:
            raise UserError(
                f"n_mels must be at least {fewest}, which this network's pooling needs, got "
                f"{self.front_end.n_mels}"
            )
        if self.architecture.bands not in (None, self.front_end.n_mels):
            raise UserError(
                f"n_mels must be {self.architecture.bands}, for which this network was trained, "
                f"got {self.front_end.n_mels}"
            )

    @property
    def architecture(self) -> Architecture:
        """The layers of the network."""
        return ARCHITECTURES[self.family].describe(len(self.classes), **self.size)

    def of_loops(self) -> "Card":
        """Returns the card of the network as it hears loops."""
        return replace(self, front_end=make_circular(self.front_end))

    def choose_layer(self, usual: str) -> str:
        """Returns the layer to dream by where none is named: `usual`, if the network has it."""
        if usual in self.architecture.layers:
            return usual
        return self.default_layer or self.architecture.last_local.name

    def class_index(self, wanted: str | int) -> int:
        """Returns the index of a class, given by its name, a synonym or its index.

        Raises:
          UserError: there is no such class.
        """
        if isinstance(wanted, str):
            wanted = self.synonyms.get(wanted.lower(), wanted)
            name = find_choice("class", wanted, self.classes, also=self.synonyms)
            return self.classes.index(name)
        if not 0 <= wanted < len(self.classes):
            numbered = ", ".join(f"{index} {name}" for index, name in enumerate(self.classes))
            raise UserError(f"no class {wanted} in model {self.name}; its classes: {numbered}")
        return wanted

    def entries(self) -> dict:
        """Returns the card as `card.json` states it, in JSON types."""
        front_end = changed_constants(self.front_end)
        is_db = self.front_end.compression == DECIBEL
        names = DB_STATISTICS if is_db else DB_STATISTICS + INPUT_STATISTICS
        statistics = {name: getattr(self.front_end, name) for name in names}
        entries = {"name": self.name, "classes": list(self.classes), **statistics}
        entries |= {"front_end": front_end} if front_end else {}
        entries |= {"default_layer": self.default_layer} if self.default_layer else {}
        entries |= {"synonyms": self.synonyms} if self.synonyms else {}
        if self.family == VGG19:
            return entries | self.size
        return entries | {"architecture": {"name": self.family, **self.size}}


def read_card(folder: str | os.PathLike[str]) -> Card:
    """Reads the card in a checkpoint folder.

    Raises:
      UserError: the card is missing, or is not a model card.
    """
    return card_from_entries(read_entries(folder), source=_card_path(folder))


def card_from_entries(entries: dict, *, source: str | os.PathLike[str]) -> Card:
    """Returns the card that JSON entries state.

    Raises:
      UserError: they are not a model card; the message names their `source`.
    """
    try:
        check_entries(entries)
        family, size = _architecture(entries)
        return Card(
            name=entries["name"],
            classes=tuple(entries["classes"]),
            front_end=_front_end(entries),
            family=family,
            size=size,
            weights_from=entries.get("weights_from", ""),
            default_layer=entries.get("default_layer", ""),
            synonyms=dict(entries.get("synonyms", {})),
        )
    except UserError as error:
        raise UserError(f"{source}: {shorten_message(error)}") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UserError(f"{source} is not a model card: {shorten_message(error)}") from None


def _architecture(entries):
    """Returns the name of the architecture, and what it needs to know of the network's size."""
    if "architecture" not in entries:
        return VGG19, {name: entries[name] for name in VGG19_SIZE if name in entries}
    size = dict(entries["architecture"])
    return size.pop("name"), size


def _front_end(entries):
    constants = entries.get("front_end", {})
    check_names(constants)
    statistics = {name: entries[name] for name in INPUT_STATISTICS if name in entries}
    return FrontEnd(mean=entries["mean"], std=entries["std"], **statistics, **constants)


def read_entries(folder: str | os.PathLike[str]) -> dict:
    """Reads all that the card in a checkpoint folder states, in JSON types.

    Raises:
      UserError: the card is missing, or is not JSON.
    """
    path = _card_path(folder)
    try:
        # A byte-order mark, which editors of Windows write, is left out.
        entries = json.loads(path.read_bytes().decode("utf-8-sig"))
    except NotADirectoryError:
        raise UserError(
            f"{folder} is a file, and a checkpoint is a folder; scripts/convert_weights.py "
            f"--pth={folder} makes one of a file of PyTorch or safetensors"
        ) from None
    except FileNotFoundError:
        raise UserError(
            f"{folder} is not a checkpoint: it has no card.json (a checkpoint is a folder such as "
            "checkpoints/gm)"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a model card: {shorten_message(error)}") from None
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot read {path}: {reason_of(error)}") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path} is not a model card: it must be a JSON object, as gm's is")
    return entries


def _card_path(folder):
    return path_of(folder) / "card.json"
