"""The included recording that converted networks hear first."""

import numpy as np

from dreamsound_jax.audio.files import normalise_recording, read_recording
from dreamsound_jax.audio.find import RECORDINGS
from dreamsound_jax.spectral.front_end import FrontEnd

SOUND = "drums"


def read_reference_sound(front_end: FrontEnd) -> np.ndarray:
    """Returns the recording (samples,) at the front end's sample rate, with a peak of 1."""
    recording = read_recording(str(RECORDINGS[SOUND]))
    return normalise_recording(SOUND, recording, sample_rate=front_end.sample_rate)
