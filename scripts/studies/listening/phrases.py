"""The real phrases of a listening test: rendered from a soundfont, or files of a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamsound_jax.audio.files import Recording, read_recording
from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.general_midi import FAMILIES, render_clip
from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE, SoundfontPlayer, find_soundfont
from studies.listening.clips import PHRASE, Clip, fit_length

SOUNDFONT = "TimGM6mb"  # No network of this project was trained on it.


def render_phrases(
    classes: Sequence[str], count: int, *, soundfont: str, seconds: float, seed: int
) -> list[Clip]:
    """Renders phrases of General MIDI families with a soundfont.

    Args:
      classes: families.
      count: how many phrases each plays.
      soundfont: the name of an installed soundfont, or its file.
      seconds: the length of a clip.
      seed: of the phrases.

    Raises:
      UserError: a class is no family, or the soundfont or its player is not installed.
    """
    for name in classes:
        if name not in FAMILIES:
            raise UserError(f"{name!r} is no family of General MIDI, which soundfonts play")
    player, numbers = SoundfontPlayer(find_soundfont(soundfont)), list(FAMILIES)
    clips = []
    for name in classes:
        for turn in range(count):
            number = numbers.index(name) + turn * len(FAMILIES)
            sound = render_clip(player, split="held_out_phrases", seed=seed, number=number)
            recording = Recording(sound[:, None], SAMPLE_RATE)
            called = f"{name} {turn}, {Path(soundfont).stem}"
            clips.append(Clip(PHRASE, called, name, fit_length(called, recording, seconds=seconds)))
    return clips


def read_phrases(
    folder: Path, classes: Sequence[str], count: int, *, seconds: float, seed: int
) -> list[Clip]:
    """Reads real sounds from a folder that has a folder of sound files for each class.

    Args:
      folder: the folder.
      classes: the names of the folders in it.
      count: how many files of each are used; they are drawn.
      seconds: the length of a clip.
      seed: of the draw.

    Raises:
      UserError: a folder is missing or has too few sound files, or a file cannot be read.
    """
    rng, clips = np.random.default_rng(seed), []
    for name in classes:
        found, missing = find_inputs([str(folder / name)])
        if missing or len(found) < count:
            raise UserError(
                f"--phrases={folder} must have a folder {name!r} with at least {count} sound "
                f"files, and has {len(found)} there"
            )
        for path in rng.permutation(found)[:count].tolist():
            sound = fit_length(path, read_recording(path), seconds=seconds)
            clips.append(Clip(PHRASE, f"{name}/{Path(path).name}", name, sound))
    return clips
