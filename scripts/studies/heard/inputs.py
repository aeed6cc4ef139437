"""The inputs that are dreamed on: two sets of recordings that share nothing, and noise.

Settings are chosen on one set, and results are reported on the other. Each set has three real
recordings of the repository, five rendered phrases of five instrument families, and two synthesised
sounds. What is heard in earlier studies (drums, choir, guitar) is in the set for choosing;
loop_amen, the same break as the drums, is in neither.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio import generated
from dreamsound_jax.audio.files import Recording, read_sound
from dreamsound_jax.audio.find import RECORDINGS
from dreamsound_jax.dreaming.keys import draw_keys
from dreamsound_jax.training.datasets.general_midi import CLIP_SAMPLES, FAMILIES, render_clip
from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE, SoundfontPlayer, find_soundfont
from studies.heard import synthesis

DATA = Path(__file__).parents[3] / "tests" / "data"
SOUNDFONT = "TimGM6mb"  # Debian: timgm6mb-soundfont.
QUICK_SAMPLES = SAMPLE_RATE


class Input(NamedTuple):
    """A sound that is dreamed on.

    Attributes:
      name: What it is called.
      kind: "recordings" or "noise".
      recording: Mono, at 22,050 Hz, with a peak of 1.
    """

    name: str
    kind: str
    recording: Recording


class InputSet(NamedTuple):
    """What a set consists of.

    Attributes:
      seed: Of its phrases and its noise.
      recordings: Files.
      families: Of its rendered phrases.
      synthesised: Functions of the number of samples.
    """

    seed: int
    recordings: tuple[Path, ...]
    families: tuple[str, ...]
    synthesised: tuple[Callable[[int], np.ndarray], ...]


SETS = {
    "choosing": InputSet(
        seed=2701,
        recordings=(RECORDINGS["drums"], DATA / "ambi_choir.flac", DATA / "guit_em9.flac"),
        families=("piano", "organ", "brass", "synth_pad", "percussive"),
        synthesised=(synthesis.chord, synthesis.bursts),
    ),
    "reporting": InputSet(
        seed=2702,
        recordings=(
            DATA / "loop_mehackit1.flac",
            DATA / "misc_crow.flac",
            DATA / "vinyl_scratch.flac",
        ),
        families=("chromatic_percussion", "bass", "strings", "reed", "ethnic"),
        synthesised=(synthesis.bells, synthesis.glide),
    ),
}


def make_inputs(name: str, *, noise: int, quick: bool = False) -> list[Input]:
    """Makes the inputs of a set; the same each time.

    Args:
      name: Of the set.
      noise: How many inputs of noise are added.
      quick: Whether only the synthesised sounds, and noise, of one second are wanted.

    Raises:
      UserError: The soundfont of the phrases, or its player, is not installed.
    """
    chosen, samples = SETS[name], QUICK_SAMPLES if quick else CLIP_SAMPLES
    sounds = {make.__name__: make(samples) for make in chosen.synthesised}
    if not quick:
        sounds |= _read_recordings(chosen.recordings, samples) | _render_phrases(chosen)
    made = [_make_input(name, "recordings", sound) for name, sound in sounds.items()]
    for number in range(noise):
        sound = generated.noise(draw_keys(chosen.seed, number).noise, samples=samples)
        made.append(_make_input(f"noise_{number}", "noise", sound))
    return made


def _make_input(name, kind, sound):
    scaled = np.float32(sound / np.abs(sound).max())
    return Input(name, kind, Recording(scaled[:, None], SAMPLE_RATE))


def _read_recordings(paths, samples):
    """Reads recordings, which are cut, or repeated if they are short."""
    return {
        path.stem: np.resize(read_sound(str(path), sample_rate=SAMPLE_RATE), samples)
        for path in paths
    }


def _render_phrases(chosen):
    player = SoundfontPlayer(find_soundfont(SOUNDFONT))
    render = functools.partial(render_clip, player, split="held_out_phrases", seed=chosen.seed)
    numbers = list(FAMILIES)
    return {f"phrase_{name}": render(number=numbers.index(name)) for name in chosen.families}
