"""The preview: a few seconds of each input with every preset that can be dreamed here."""

import logging
import os
from dataclasses import replace

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run.checks import check_options, cover_values
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.presets import apply_changes, describe_replaced
from dreamsound_jax.run.resolve import PREVIEW_ROUNDS, PREVIEW_SECONDS, resolve
from dreamsound_jax.system.errors import UserError, find_choice
from dreamsound_jax.system.shipped import model_names, shipped
from dreamsound_jax.system.storage import path_of

log = logging.getLogger(__name__)


def choose_presets(options: Options) -> tuple[Options, dict[str, str]]:
    """Leaves out the presets of a preview that cannot be dreamed with the other options.

    Args:
      options: with `preview`, and the presets in `sweep`.

    Returns:
      (options, notes): the options with the presets that are left, and what the page says of the
      preview. If no preset is left, all are: what is wrong is then said where it is for any run.
    """
    left_out: dict[str, list[str]] = {}
    for name in options.sweep["preset"]:
        reason = _find_fault(_with_presets(options, (name,)))
        if reason is not None:
            left_out.setdefault(reason, []).append(name)
    names = [name for names in left_out.values() for name in names]
    left = tuple(name for name in options.sweep["preset"] if name not in names)
    if not left:
        return options, {}
    lines = [f"{', '.join(names)}: {reason}" for reason, names in left_out.items()]
    for line in lines:
        log.info("left out: %s", line)
    chosen = _with_presets(options, left)
    replaced = describe_replaced(chosen)
    return chosen, _describe(lines) | ({"raised": replaced} if replaced else {})


def _with_presets(options, names):
    return replace(options, sweep={**options.sweep, "preset": tuple(names)})


def _describe(lines: list[str]) -> dict[str, str]:
    notes = {
        "preview": f"of each input the loudest {PREVIEW_SECONDS:g} seconds; an ouroboros has "
        f"{PREVIEW_ROUNDS} rounds unless --ouroboros_length is given"
    }
    return notes | ({"left out": "; ".join(lines)} if lines else {})


def _find_fault(options: Options) -> str | None:
    """Returns why a preset cannot be dreamed with the other options; None if it can."""
    try:
        check_options(options)
        points = [apply_changes(options, changes) for changes in cover_values(options.sweep)]
        folders = {point.model: _find_folder(options.checkpoint, point.model) for point in points}
        for name, folder in folders.items():
            if not (folder / "weights").exists():
                return f"the network {name} is not here (docs/models.md says how to get it)"
        cards = {name: read_card(folder) for name, folder in folders.items()}
        first = next(iter(cards.values()))
        several = cards if len(cards) > 1 else None
        resolve(replace(options, seed=options.seed or 0), first, swept_cards=several)
    except UserError as error:
        return str(error)
    return None


def _find_folder(checkpoint, model):
    if checkpoint is not None:
        return path_of(os.path.expanduser(checkpoint))
    return shipped("checkpoints") / find_choice("model", model, model_names())
