"""Finds the tensors of a network among names as people have them, whatever stands before them."""

import logging
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.advice import show_name

# Added by DataParallel, torch.compile, FSDP, activation checkpointing, Lightning's Fabric and
# Opacus, in front of all names or only of those in one part of the network.
WRAPPER_PARTS = frozenset(
    (
        "module",
        "_orig_mod",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
        "_forward_module",
        "_module",
    )
)
USUAL_PARTS = ("model", "net", "network")
LISTED = 4  # Names that a message lists.
log = logging.getLogger(__name__)


def holds_names(names: Collection[str], wanted: Collection[str]) -> bool:
    """Returns whether names hold the wanted ones, with or without anything in front of them."""
    return bool(_find_prefixes(_remove_wrappers(names).values(), wanted))


class FoundNetwork(NamedTuple):
    """The tensors of a network in a state dict.

    Attributes:
      tensors: {the network's own name: tensor}.
      prefix: what was removed from the beginnings of their names, such as "model.".
      beside: the names of tensors that are not the network's.
    """

    tensors: dict[str, Any]
    prefix: str
    beside: list[str]


def find_network(tensors: Mapping[str, Any], wanted: Collection[str]) -> FoundNetwork:
    """Returns the tensors of a network by their own names.

    What stands before them is removed: what wrappers such as DataParallel add, and the names of the
    attributes that hold the network, such as `model.backbone.`. If nothing holds the wanted names,
    only what all names begin with is removed.

    Args:
      tensors: {name: tensor}.
      wanted: names of tensors that only such a network has.

    Raises:
      UserError: the network is there more than once.

    Example:
      >>> find_network({"model.module.fc.weight": 1, "epoch": 2}, ["fc.weight"])
      FoundNetwork(tensors={'fc.weight': 1}, prefix='model.', beside=['epoch'])
    """
    short = _remove_wrappers(tensors)
    prefixes = _find_prefixes(short.values(), wanted)
    prefix = _choose_prefix(prefixes) if prefixes else _shared_prefix(short.values(), wanted)
    own = {
        short[name].removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if short[name].startswith(prefix)
    }
    return FoundNetwork(own, prefix, [n for n in tensors if not short[n].startswith(prefix)])


def warn_of_left_out(network: FoundNetwork) -> None:
    """Warns of tensors that lie beside a network, in one line."""
    if network.beside:
        more = ", ..." if len(network.beside) > LISTED else ""
        shown = ", ".join(show_name(name) for name in network.beside[:LISTED]) + more
        log.warning(
            "left out what is beside the network: %d tensors, %s", len(network.beside), shown
        )


def _choose_prefix(prefixes):
    if "" in prefixes or len(prefixes) == 1:
        return prefixes[0]  # They are sorted.
    # Beside an averaged copy, such as `ema_model.`, the network itself is read.
    usual = [prefix for prefix in prefixes if prefix.split(".")[0] in USUAL_PARTS]
    if len(usual) == 1:
        return usual[0]
    shown = " and ".join(show_name(prefix) for prefix in prefixes[:LISTED])
    raise UserError(
        f"the network is there {len(prefixes)} times, under names that begin with {shown}: save "
        "the one that you want alone, in another file"
    )


def _remove_wrappers(names):
    """Returns {name: the name without `WRAPPER_PARTS`}, unless two names would be the same."""
    short = {
        name: ".".join(part for part in name.split(".") if part not in WRAPPER_PARTS)
        for name in names
    }
    return short if len({*short.values()}) == len(short) else {name: name for name in names}


def _find_prefixes(names, wanted):
    """Returns what may stand before all wanted names."""
    names, first = {*names}, next(iter(wanted))
    possible = [name.removesuffix(first) for name in names if name.endswith(first)]
    return sorted(
        prefix
        for prefix in possible
        if prefix[-1:] in ("", ".") and all(prefix + name in names for name in wanted)
    )


def _shared_prefix(names, wanted):
    """Returns the parts that all names begin with, except for those of the wanted names."""
    shared, own = [], {name.split(".")[0] for name in wanted}
    for parts in zip(*(name.split(".")[:-1] for name in names)):
        if len({*parts}) > 1 or parts[0] in own:
            break
        shared.append(f"{parts[0]}.")
    return "".join(shared)
