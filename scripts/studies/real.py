"""Real sounds, with which dreams are compared by the Fréchet distance."""

import functools

from tqdm import tqdm

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.spectral.measures import SAMPLE_RATE
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.general_midi import render_clip
from dreamsound_jax.training.datasets.soundfont import SoundfontPlayer, find_soundfont

PHRASES = "gm"
COUNT = 320


def read_sounds(names):
    """Reads sounds (samples,) at 22,050 Hz from files, or renders `COUNT` phrases for ["gm"].

    Raises:
      UserError: A file cannot be read; or the soundfont or the player of `gm` is not installed.
    """
    if names == [PHRASES]:
        return render_phrases(COUNT)
    found, missing = find_inputs(names)
    if missing:
        raise UserError(missing[0][1])
    return [read_sound(path, sample_rate=SAMPLE_RATE) for path in found]


def render_phrases(count):
    """Renders phrases (samples,) of all 16 classes of `gm` that were held out of its training."""
    player = SoundfontPlayer(find_soundfont())
    render = functools.partial(render_clip, player, split="held_out_phrases", seed=0)
    return [render(number=number) for number in tqdm(range(count), "real clips", disable=None)]
