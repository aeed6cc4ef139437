"""Loads the networks of a run: one, or several if the model is swept."""

from dreamsound_jax.networks.loading import Model, load_model
from dreamsound_jax.run.checks import cover_values
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.presets import apply_changes
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import UserError


def load_models(options: Options) -> dict[str, Model]:
    """Returns {model: its card and its network} of all clips, in the order of the clips.

    With `checkpoint`, each is the network in that folder.

    Raises:
      UserError: a model cannot be loaded, or both a folder and several models are asked for.
    """
    if options.checkpoint is not None and "model" in options.sweep:
        raise UserError(
            "--checkpoint and --sweep=model=... both name networks: give only one of them"
        )
    clips = (apply_changes(options, changes) for changes in cover_values(options.sweep))
    names = dict.fromkeys(clip.model for clip in clips)
    if options.checkpoint is not None:
        return dict.fromkeys(names, _load(options, options.model))
    return {name: _load(options, name) for name in names}


def place_on_devices(models: dict[str, Model]) -> dict[str, Model]:
    """Returns models whose networks are on all devices of this process."""
    return {
        name: Model(each.card, devices.replicate(each.network)) for name, each in models.items()
    }


def _load(options, name):
    return load_model(name, checkpoint=options.checkpoint, dtype=options.precision)
