"""DreamSound from Python: arrays in, arrays out.

import dreamsound_jax as ds

model = ds.load_model("gm")
sound, rate = ds.load_sound("loop.wav")
dream = ds.dream(sound, rate, model, objective=ds.layer("relu3_4"), lr=0.04, seed=1)
dream.save("dream.wav")
"""

from dreamsound_jax.api.dreams import dream
from dreamsound_jax.api.listing import list_models, list_presets
from dreamsound_jax.api.ouroboroses import ouroboros
from dreamsound_jax.api.results import Dream, Ouroboros
from dreamsound_jax.api.sounds import load_sound
from dreamsound_jax.api.steps import (
    activations,
    analyse,
    apply_gain,
    class_probabilities,
    measure_objective,
)

__all__ = [
    "Dream",
    "Ouroboros",
    "activations",
    "analyse",
    "apply_gain",
    "class_probabilities",
    "dream",
    "list_models",
    "list_presets",
    "load_sound",
    "measure_objective",
    "ouroboros",
]
