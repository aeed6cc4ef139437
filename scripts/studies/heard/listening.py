"""Lets networks hear written sounds, each by its own front end and at its own sample rate."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.audio.files import Recording, normalise_recording
from dreamsound_jax.dreaming.batch import analyse_clips
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.networks.network import Network
from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives.measures import Logits
from dreamsound_jax.spectral.interpolate import repeat_time

AT_ONCE = 16  # Batches are always full, so that one program serves for any number of sounds.


def hear(model: Model, sounds: Sequence[Recording]) -> np.ndarray:
    """Lets a network hear sounds of one length and sample rate.

    Returns:
      The logits (sounds, outputs), float32.

    Raises:
      UserError: A sound is silent, or too short.
    """
    heard = [
        _hear_batch(model, sounds[first : first + AT_ONCE])
        for first in range(0, len(sounds), AT_ONCE)
    ]
    return np.concatenate(heard)


def _hear_batch(model, sounds):
    front_end = model.card.front_end
    clips = [
        normalise_recording("a sound of the study", sound, sample_rate=front_end.sample_rate)
        for sound in sounds
    ]
    full = np.stack([*clips, *[clips[-1]] * (AT_ONCE - len(clips))]).astype(np.float32)
    mel_db = analyse_clips(full, front_end=front_end)
    logits = _compute_logits(model.network, front_end.standardise(mel_db))
    return np.asarray(logits, np.float32)[: len(clips)]


@jax.jit
def _compute_logits(network: Network, spectrograms: jax.Array) -> jax.Array:
    """Returns the logits (clips, outputs) of standardised (clips, mel bands, frames).

    As when it dreams, a network that needs a longer sound hears this one repeated.
    """
    architecture = network.architecture
    frames = architecture.count_heard_frames(spectrograms.shape[-1], [architecture.class_layer])
    heard = repeat_time(spectrograms, frames=frames)

    def logits_of(clip: jax.Array) -> jax.Array:
        (logits,) = measure_response(network, clip, (Logits(architecture.class_layer),), ((),))
        return logits.astype(jnp.float32)

    return jax.vmap(logits_of)(heard)
