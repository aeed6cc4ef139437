"""What a dream raises: layers, classes, and any function of activations."""

from dreamsound_jax.objectives.terms import Objective, custom, layer, layers, probability

__all__ = ["Objective", "custom", "layer", "layers", "probability"]
