"""Real sounds, with which dreams are compared by the Fréchet distance."""

import functools

from tqdm import tqdm

from dreamsound_jax.audio import inputs
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training import gm

PHRASES = "gm"
COUNT = 320


def read_sounds(names):
    """Reads sounds (samples,) at 22,050 Hz from files, or renders `COUNT` phrases for ["gm"].

    Raises:
      UserError: A file cannot be read; or the soundfont or the player of `gm` is not installed.
    """
    if names == [PHRASES]:
        return render_phrases(COUNT)
    found, missing = inputs.find_inputs(names)
    if missing:
        raise UserError(missing[0][1])
    return [inputs.read(path, sample_rate=mel.SAMPLE_RATE) for path in found]


def render_phrases(count):
    """Renders phrases (samples,) of all 16 classes of `gm` that were held out of its training."""
    player = gm.Player(gm.find_soundfont())
    render = functools.partial(gm.render_clip, player, split="held_out_phrases", seed=0)
    return [render(number=number) for number in tqdm(range(count), "real clips", disable=None)]
