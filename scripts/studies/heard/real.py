"""Real phrases of soundfonts, which show how well a judge hears at all: the ceiling."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.general_midi import FAMILIES, render_clip
from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE, SoundfontPlayer

SOUNDFONTS = (
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf2/OPL-3_FM_128M.sf2",
)
"""No network of the study is trained on these; as Debian installs them."""


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
    for path in soundfonts:
        if not Path(path).is_file():
            raise UserError(f"--soundfonts must be .sf2 files, and there is no file {path}")
    return [_render(path, per_family * len(FAMILIES)) for path in soundfonts]


def _render(path, count):
    player = SoundfontPlayer(path)
    render = functools.partial(render_clip, player, split="held_out_phrases", seed=0)
    sounds = [Recording(render(number=number)[:, None], SAMPLE_RATE) for number in range(count)]
    return Phrases(Path(path).stem, sounds, np.arange(count) % len(FAMILIES))
