"""What can be chosen on the page, as options of `dreamsound_jax.dream` and as a command."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dreamsound_jax.audio.find import BUILT_IN
from dreamsound_jax.networks.card import Card, read_card
from dreamsound_jax.run.options import FIELDS, value_type
from dreamsound_jax.run.presets import find_preset, list_presets
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import model_names, shipped


@dataclass(frozen=True)
class Choices:
    """What was chosen on the page.

    Attributes:
      preset: its name; None for the defaults.
      strength: from 0 to 100.
      model: its name; None for that of the preset.
      target_class: the class to dream towards; None for what the preset says.
      layer: the layer to dream by; None for what the preset says.
      mix: how much of the dream is in the sound, from 0 to 1.
      seed: of the random draws.
    """

    preset: str | None = None
    strength: float = 70
    model: str | None = None
    target_class: str | None = None
    layer: str | None = None
    mix: float = 1
    seed: int = 1

    def options(self) -> dict[str, Any]:
        """Returns the options of `dreamsound_jax.dream`, without what is left at its default.

        Raises:
          UserError: both a class and a layer were chosen.
        """
        if self.target_class and self.layer:
            raise UserError("Choose a class or a layer, not both.")
        options: dict[str, Any] = {"preset": self.preset, "model": self.model}
        options["strength"] = self.strength
        if self.target_class:
            # A preset may name another layer, which does not respond to classes.
            layer = card_of(self.preset, self.model).architecture.class_layer
            options |= {"target_class": self.target_class, "layers_to_use": (layer,)}
        elif self.layer:
            options["layers_to_use"] = (self.layer,)
        options |= {"mix": None if self.mix == 1 else self.mix, "seed": self.seed}
        return {name: value for name, value in options.items() if value is not None}

    def command(self, name: str, *, makes_video: bool = False) -> str:
        """Returns the command that dreams the same on the file with this name.

        Example:
          >>> Choices(preset="hits", strength=90).command("my loop.wav")
          "dreamsound 'my loop.wav' --preset=hits --strength=90 --seed=1"
        """
        # What is built in, and what begins like a flag, is a file all the same.
        file = f"./{name}" if name in BUILT_IN or name.startswith("-") else name
        flags = [f"--{name}={_as_word(name, value)}" for name, value in self.options().items()]
        return shlex.join(["dreamsound", file, *flags, *(["--video"] if makes_video else [])])


def _as_word(name: str, value: Any) -> str:
    kind = value_type(name)
    if kind is tuple:
        return ",".join(value)
    return f"{value:g}" if kind is float else str(value)


def preset_names() -> list[str]:
    """Returns the presets that dream on a sound with networks that are included.

    Those that make an ouroboros are left out: it has no picture, and takes minutes.
    """
    return [
        preset.name
        for preset in list_presets()
        if not preset.is_original and not preset.values.get("create_ouroboros")
    ]


def describe_preset(name: str | None) -> str:
    """Says what to expect of a preset, or of the defaults."""
    if name is None:
        return "A few hits or notes become much stronger, the rest darker."
    return find_preset(name).summary


def included_models() -> list[str]:
    """Returns the networks whose weights are included."""
    return [name for name in model_names() if (_folder(name) / "weights").is_dir()]


def card_of(preset: str | None, model: str | None) -> Card:
    """Returns the card of the network that these choices dream with."""
    if model is None:
        values = find_preset(preset).values if preset else {}
        model = values.get("model", FIELDS["model"].default)
    return read_card(_folder(model))


def class_names(card: Card) -> Sequence[str]:
    """Returns the classes of a network, in the order of the alphabet."""
    return sorted(card.classes, key=str.lower)


def layer_names(card: Card) -> Sequence[str]:
    """Returns the layers of a network before its classes, shallow to deep."""
    return [name for name in card.architecture.layers if name != card.architecture.class_layer]


def _folder(model):
    return shipped("checkpoints") / model
