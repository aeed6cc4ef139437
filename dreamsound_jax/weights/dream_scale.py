"""The mean and the standard deviation in dB of a network that was trained on another scale.

They set the size of steps, and how far a spectrogram may go, but not what the network is shown.
"""

import jax

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.weights.reference_sound import read_reference_sound

# The training spectrograms of `gm` have this standard deviation, and a mean so far below that of
# the included recording, by the front end of `gm`.
STD_DB, BELOW_SOUND_DB = 18.1, 11.6


def estimate_db_statistics(front_end: FrontEnd) -> dict[str, float]:
    """Estimates `mean` and `std` in dB, so that dreams take steps as large as those of `gm`.

    The mean follows the level that the front end gives to the included recording, which depends on
    its frames and its filters.
    """
    level = float(jax.jit(front_end.analyse)(read_reference_sound(front_end)).mean())
    return {"mean": round(level - BELOW_SOUND_DB, 2), "std": STD_DB}
