"""Writes into the cards of the networks that dreamt how often others hear their dreams."""

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsound_jax.networks.card import read_entries
from dreamsound_jax.system.storage import write_whole
from dreamsound_jax.weights.checkpoint import write_cards
from studies.heard import pictures
from studies.heard.judging import Verdict
from studies.heard.networks import Named
from studies.heard.settings import format_flags

PICTURE = "heard.png"


def write_into_card(dreamer: Named, facts: Mapping[str, Any], verdicts: Sequence[Verdict]) -> None:
    """Writes the card's entry `heard_by_others`, its page, and its picture.

    Args:
      dreamer: The network whose folder is written to.
      facts: Of the run.
      verdicts: All verdicts; those on dreams of other networks are left out.
    """
    own = [each for each in verdicts if each.source == "real" or each.of[:1] == (dreamer.label,)]
    entry = {
        "rows": [_describe_dreams(each) for each in own if each.source == "dreams"],
        "real": [_describe_real(each) for each in own if each.source == "real"],
        "flags": format_flags(facts["settings"]),
        **{name: facts[name] for name in ("command", "date", "device")},
    }
    write_whole(dreamer.folder / PICTURE, pictures.draw_rates(own))
    write_cards(dreamer.folder, read_entries(dreamer.folder) | {"heard_by_others": entry})


def _describe_dreams(verdict):
    first, (_, domain) = verdict.estimates["top1"], verdict.of
    return {
        "domain": domain,
        "from": verdict.kind,
        "judge": verdict.judge,
        "dreams": verdict.sounds,
        "first": first.mean,
        "first_low": first.low,
        "first_high": first.high,
        "chance": 1 / len(verdict.classes),
        "z": verdict.estimates["z"].mean,
    }


def _describe_real(verdict):
    (soundfont,) = verdict.of
    first = verdict.estimates["top1"].mean
    return {"soundfont": soundfont, "judge": verdict.judge, "first": first}
