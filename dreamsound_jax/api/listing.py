"""The names of the models and the presets."""

from dreamsound_jax.run.presets import list_presets as _list_presets
from dreamsound_jax.system.shipped import model_names


def list_models() -> list[str]:
    """Returns the names of the models that `load_model` knows.

    Example:
      >>> "gm" in list_models()
      True
    """
    return model_names()


def list_presets() -> dict[str, str]:
    """Returns {name: what to expect} of the presets that the option `preset` takes.

    Example:
      >>> list_presets()["hits"]
      'A few hits or notes become much stronger, and what lies between them darker.'
    """
    return {preset.name: preset.summary for preset in _list_presets()}
