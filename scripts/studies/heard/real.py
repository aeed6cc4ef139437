"""Real phrases of soundfonts, which show how well a judge hears at all: the ceiling."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.training.datasets.general_midi import FAMILIES, render_clip
from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE, SoundfontPlayer, find_soundfont

SOUNDFONTS = ("TimGM6mb", "OPL-3_FM_128M")
"""No network of the study is trained on these."""


class Phrases(NamedTuple):
    """Phrases of one soundfont.

    Attributes:
      name: Of the soundfont.
      sounds: Mono, at 22,050 Hz.
      families: (sounds,), the family of each, an index into `FAMILIES`.
    """

    name: str
    sounds: list[Recording]
    families: np.ndarray


def render_phrases(soundfonts: Sequence[str], per_family: int) -> list[Phrases]:
    """Renders phrases of all families with each soundfont.

    Raises:
      UserError: A soundfont or its player is not installed.
    """
    players = {Path(font).stem: SoundfontPlayer(find_soundfont(font)) for font in soundfonts}
    return [_render(name, player, per_family * len(FAMILIES)) for name, player in players.items()]


def _render(name, player, count):
    render = functools.partial(render_clip, player, split="held_out_phrases", seed=0)
    sounds = [Recording(render(number=number)[:, None], SAMPLE_RATE) for number in range(count)]
    return Phrases(name, sounds, np.arange(count) % len(FAMILIES))
