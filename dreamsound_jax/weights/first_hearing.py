"""Lets a converted network hear one sound, so that a wrong front end is noticed at once."""

import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.reference_sound import SOUND, read_reference_sound

COUNT = 3  # Of the most probable classes that are told, and that a card can expect.


def hear_reference(checkpoint: str | os.PathLike) -> dict[str, float]:
    """Returns {class: probability} of the most probable classes in the included recording.

    The first is the most probable one.
    """
    card, network = load_model(checkpoint=checkpoint)
    front_end, architecture = card.front_end, card.architecture

    @jax.jit
    def classify(network, sound):
        heard = front_end.standardise(front_end.analyse(sound))
        logits = network.activations(heard, (architecture.class_layer,))[architecture.class_layer]
        return architecture.probabilities(logits)

    found = np.asarray(classify(network, read_reference_sound(front_end)))
    first = np.argsort(-found)[:COUNT]
    return {card.classes[index]: float(found[index]) for index in first}


def check_hearing(heard: Mapping[str, float], entries: Mapping[str, Any]) -> None:
    """Raises UserError if other classes are the most probable than the card expects, in any order.

    Args:
      heard: what `hear_reference` returned.
      entries: the card's; `heard_in_drums` names one to `COUNT` classes.
    """
    expected = entries.get("heard_in_drums", [])
    if {*list(heard)[: len(expected)]} != {*expected}:
        raise UserError(
            f"the network must hear {', '.join(expected)} in {SOUND}, and hears "
            f"{', '.join(heard)}: the weights or the front end are not those of its card"
        )
