"""DreamSound: DeepDream for sound, in JAX.

    import dreamsound_jax as ds

    model = ds.load_model("gm")
    sound, rate = ds.load_sound("loop.wav")
    dream = ds.dream(sound, rate, model, objective=ds.layer("relu3_4"), lr=0.04, seed=1)
    dream.save("dream.wav")

Names are imported when they are used, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamsound_jax import objectives as objectives
    from dreamsound_jax.api import Dream as Dream
    from dreamsound_jax.api import Ouroboros as Ouroboros
    from dreamsound_jax.api import activations as activations
    from dreamsound_jax.api import analyse as analyse
    from dreamsound_jax.api import apply_gain as apply_gain
    from dreamsound_jax.api import class_probabilities as class_probabilities
    from dreamsound_jax.api import dream as dream
    from dreamsound_jax.api import list_models as list_models
    from dreamsound_jax.api import list_presets as list_presets
    from dreamsound_jax.api import load_sound as load_sound
    from dreamsound_jax.api import measure_objective as measure_objective
    from dreamsound_jax.api import ouroboros as ouroboros
    from dreamsound_jax.dreaming.distance import measure_distance as measure_distance
    from dreamsound_jax.networks.loading import Model as Model
    from dreamsound_jax.networks.loading import load_model as load_model
    from dreamsound_jax.objectives.terms import custom as custom
    from dreamsound_jax.objectives.terms import layer as layer
    from dreamsound_jax.objectives.terms import probability as probability
    from dreamsound_jax.run.options import Options as Options
    from dreamsound_jax.spectral.front_end import FrontEnd as FrontEnd
    from dreamsound_jax.system.errors import UserError as UserError

    __version__: str

_MODULES = {
    "Dream": "api",
    "FrontEnd": "spectral.front_end",
    "Model": "networks.loading",
    "Options": "run.options",
    "Ouroboros": "api",
    "UserError": "system.errors",
    "activations": "api",
    "analyse": "api",
    "apply_gain": "api",
    "class_probabilities": "api",
    "custom": "objectives.terms",
    "dream": "api",
    "layer": "objectives.terms",
    "list_models": "api",
    "list_presets": "api",
    "load_model": "networks.loading",
    "load_sound": "api",
    "measure_distance": "dreaming.distance",
    "measure_objective": "api",
    "ouroboros": "api",
    "probability": "objectives.terms",
}

__all__ = [*_MODULES, "objectives", "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("dreamsound-jax")
    if name == "objectives":
        return importlib.import_module("dreamsound_jax.objectives")
    if name in _MODULES:
        return getattr(importlib.import_module(f"dreamsound_jax.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'dreamsound_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
