"""The card of a model: what dreaming needs to know of a network."""

import json
from dataclasses import dataclass, fields

from etils import epath

from dreamsound_jax.system.errors import UserError, nearest_or_fail, reason_of


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
