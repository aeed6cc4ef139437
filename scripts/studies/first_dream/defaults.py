"""Which layer and learning rate a first dream has: how far each moves a sound, and how."""

from collections.abc import Sequence

import numpy as np

import dreamsound_jax as ds
from studies.first_dream.dreams import Input, compare_with_input, dream_on
from studies.report import markdown_table

SETTINGS = (
    ("relu5_4", 0.02),
    ("relu5_4", 0.06),
    ("relu4_4", 0.04),
    ("relu4_4", 0.06),
    ("relu3_4", 0.04),
    ("relu3_4", 0.06),
    ("relu3_4", 0.08),
    ("relu3_4", 0.1),
)
HEADS = ("layer", "lr", "LSD (dB)", "tv (dB)", "tv / LSD", "onset r", "tv of each input (dB)")


def measure(model: ds.Model, inputs: Sequence[Input]) -> str:
    """Returns a table with a row for each layer and learning rate."""
    return markdown_table(HEADS, [_row(model, inputs, *each) for each in SETTINGS], names=2)


def _row(model, inputs, layer, lr):
    options = {"layers_to_use": (layer,), "lr": lr}
    found = [compare_with_input(each, dream_on(model, each, options)) for each in inputs]
    lsd, tv, onset_r = np.array(found).T
    medians = [f"{np.median(each):.1f}" for each in (lsd, tv)]
    share, onsets = np.median(tv / lsd), f"{np.median(onset_r):.2f}, at least {onset_r.min():.2f}"
    each_tv = ", ".join(f"{value:.1f}" for value in tv)
    return [layer, f"{lr:g}", *medians, f"{share:.2f}", onsets, each_tv]
