"""Real sounds, to compare dreams with."""

import functools

from tqdm import tqdm

from dreamsound_jax.audio import files, find
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets import general_midi, soundfont

PHRASES = "gm"
COUNT = 320


def sounds(names):
    """The sounds (samples,) of files, at 22,050 Hz; of `gm`: of phrases that it never heard.

    Raises:
      UserError: a file cannot be read; for `gm`, its soundfont or its player is not there.
    """
    if names == [PHRASES]:
        return phrases(COUNT)
    found, missing = find.find_inputs(names)
    if missing:
        raise UserError(missing[0][1])
    return [files.read_sound(path, sample_rate=mel.SAMPLE_RATE) for path in found]


def phrases(count):
    """Phrases (samples,) of all 16 classes of `gm`, from its soundfont, held out of training."""
    player = soundfont.SoundfontPlayer(soundfont.find_soundfont())
    render = functools.partial(general_midi.render_clip, player, split="held_out_phrases", seed=0)
    return [render(number=number) for number in tqdm(range(count), "real clips", disable=None)]
