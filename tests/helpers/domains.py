"""Batches of clips in each domain, to be dreamed on."""

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.domains.mel import MelDomain
from dreamsound_jax.domains.sound import SoundDomain
from dreamsound_jax.dreaming.batch import make_clips
from tests.helpers.climbs import noise
from tests.helpers.sounds import RATE
from tests.helpers.tiny import FRONT_END


def spectrograms(count, shape=(64, 64)):
    """(count, *shape), standardised, float32."""
    return jnp.asarray(noise(1, (count, *shape)), jnp.float32)


def mel_clips(batch) -> MelDomain:
    """Spectrograms (clips, mel bands, frames) in the domain "mel", without sounds."""
    keys = jax.random.split(jax.random.key(1), len(batch))
    return MelDomain(batch, jnp.zeros((len(batch), 1)), keys, FRONT_END)


def sound_clips(
    recordings, *, front_end=FRONT_END, gain_range=24.0, dtype=np.float32
) -> SoundDomain:
    """Recordings of one shape and sample rate in the domain "sound"."""
    rate = recordings[0].sample_rate
    sounds = [files.normalise_recording("a.wav", each, sample_rate=RATE) for each in recordings]
    clips, _ = make_clips(
        front_end,
        "sound",
        np.stack(sounds).astype(dtype),
        originals=np.stack([each.channels.T for each in recordings]),
        sample_rate=rate,
        gain_ranges=[gain_range] * len(recordings),
        phase_keys=[],
    )
    return clips


def first_clip(clips):
    """The first clip of a batch."""
    return jax.tree.map(lambda leaf: leaf[0], clips)
