"""What a dream raises: layers, channels, classes, guides, and any function of activations."""

from dreamsound_jax.objectives.classes import logit, margin
from dreamsound_jax.objectives.guides import features, guide
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.objectives.pictures import keep_spectrum, stay_near, total_variation
from dreamsound_jax.objectives.terms import Objective, custom, layer, layers, probability
from dreamsound_jax.objectives.units import channel, direction, neuron
from dreamsound_jax.objectives.variety import diversity

__all__ = [
    "Interpolation",
    "Objective",
    "channel",
    "custom",
    "direction",
    "diversity",
    "features",
    "guide",
    "keep_spectrum",
    "layer",
    "layers",
    "logit",
    "margin",
    "neuron",
    "probability",
    "stay_near",
    "total_variation",
]
