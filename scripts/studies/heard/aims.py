"""What a dream towards a class raises: its probability, its logit, its margin, or its features."""

from collections.abc import Sequence

import jax
import numpy as np

from dreamsound_jax import objectives
from dreamsound_jax.audio.files import normalise_recording
from dreamsound_jax.dreaming.batch import analyse_clips
from dreamsound_jax.objectives import Objective
from dreamsound_jax.training.datasets.general_midi import FAMILIES
from studies.heard import real
from studies.heard.networks import Named

AIMS = ("probability", "logit", "margin", "features")

# Features are those of phrases of a soundfont that the networks of this project are trained on.
SOUNDFONT = "FluidR3_GM"
PHRASES = 20  # Of each family.


def make_objectives(dreamer: Named, aim: str, classes: Sequence[str]) -> dict[str, Objective]:
    """Makes {class: what its dreams raise}.

    With the aim "features", a dream raises the mean features of the last layer with cells along
    the direction that tells the class from the others: the mean of the class minus that of all
    phrases, divided by the variance within classes.

    Raises:
      UserError: The soundfont of the features is not installed.
    """
    names = {name: dreamer.model.card.classes[dreamer.outputs[name][0]] for name in classes}
    if aim == "features":
        layer = dreamer.model.card.architecture.last_local.name
        directions = _find_directions(dreamer, layer)
        return {name: objectives.direction(layer, directions[name]) for name in classes}
    make = getattr(objectives, aim)
    return {name: make(called) for name, called in names.items()}


def _find_directions(dreamer, layer):
    (phrases,) = real.render_phrases([SOUNDFONT], PHRASES)
    features = _hear_features(dreamer, phrases.sounds, layer)
    means = np.stack([features[phrases.families == n].mean(axis=0) for n in range(len(FAMILIES))])
    within = (features - means[phrases.families]).var(axis=0)
    directions = (means - means.mean(axis=0)) / (within + 1e-3 * within.mean())
    return {name: each / np.linalg.norm(each) for name, each in zip(FAMILIES, directions)}


def _hear_features(dreamer, sounds, layer):
    """Returns the mean over cells of a layer's channels, (sounds, channels)."""
    front_end, network = dreamer.model.card.front_end, dreamer.model.network

    @jax.jit
    def average(network, spectrogram):
        return network.activations(spectrogram, (layer,))[layer].mean(axis=(0, 1))

    rows = []
    for sound in sounds:
        clip = normalise_recording("a phrase", sound, sample_rate=front_end.sample_rate)
        (mel_db,) = analyse_clips(clip[None], front_end=front_end)
        rows.append(np.asarray(average(network, front_end.standardise(mel_db))))
    return np.stack(rows)
