"""What a network calls the classes of the study: by the same names, or through a table of tags."""

from collections.abc import Mapping

import numpy as np

from dreamsound_jax.networks.card import Card
from dreamsound_jax.training.datasets.general_midi import FAMILIES

FEWEST = 2  # With a single class there is nothing to confuse.

TAGS = {
    "piano": ("piano",),
    "guitar": ("guitar",),
    "strings": ("strings", "violin", "cello"),
    "ensemble": ("choir", "choral"),
    "pipe": ("flute",),
    "synth_pad": ("ambient", "new age"),
    "percussive": ("drums", "beat", "beats"),
}
"""{family: tags of music that mean it}, for networks whose classes are tags, such as mtt's.

They were chosen by how mtt hears phrases of FluidR3_GM, a soundfont that the study does not report.
"""


def find_outputs(card: Card) -> dict[str, tuple[int, ...]]:
    """Finds the outputs of a network that stand for the classes of the study.

    These are the 16 families, if the network has all of them by their names; or those families that
    `TAGS` has tags of the network for, if there are at least two; or else its own classes.

    Args:
      card: Of the network.

    Returns:
      {class: the indices of the network's outputs that stand for it}.
    """
    by_name = {name: (index,) for index, name in enumerate(card.classes)}
    if set(FAMILIES) <= set(by_name):
        return {name: by_name[name] for name in FAMILIES}
    by_tag = {
        family: tuple(card.classes.index(tag) for tag in tags if tag in by_name)
        for family, tags in TAGS.items()
    }
    known = {family: outputs for family, outputs in by_tag.items() if outputs}
    return known if len(known) >= FEWEST else by_name


def score_classes(logits: np.ndarray, outputs: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """Scores each class by the largest logit among its outputs.

    Args:
      logits: (sounds, outputs) of a network.
      outputs: What `find_outputs` returns.

    Returns:
      (sounds, classes), in the order of `outputs`.
    """
    return np.stack([logits[:, list(each)].max(axis=1) for each in outputs.values()], axis=1)
