"""How far dreams of rising strength are from their inputs, by layers, classes and domains."""

from collections.abc import Sequence

import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.system.programs import let_go
from studies.first_dream.dreams import Input, compare_with_input, dream_on
from studies.report import markdown_table

STRENGTHS = (20, 40, 60, 80, 90, 100)
WAYS = {
    "relu1_1": {"layers_to_use": ("relu1_1",)},
    "relu2_2": {"layers_to_use": ("relu2_2",)},
    "relu3_4": {"layers_to_use": ("relu3_4",)},
    "relu4_4": {"layers_to_use": ("relu4_4",)},
    "relu5_4": {"layers_to_use": ("relu5_4",)},
    "organ": {"target_class": "organ"},
    "preset hits": {"preset": "hits"},
    "domain mel, relu5_4": {"domain": "mel"},
    "domain mel, organ": {"domain": "mel", "target_class": "organ"},
}
HEADS = ("dream", *(f"{s}" for s in STRENGTHS), "smallest step", "largest step", "onset r at 100")


def measure(model: ds.Model, inputs: Sequence[Input]) -> str:
    """Returns a table of log-spectral distances in dB, with a row for each way to dream.

    A step is the difference between two neighbouring strengths of one input, for each 10 that lie
    between them, relative to the mean of that input; the first one is from the dream of strength 0.
    """
    return markdown_table(HEADS, [_row(model, inputs, *way) for way in WAYS.items()])


def _row(model, inputs, name, options):
    distances, onsets = [], []
    for given in inputs:
        found = [
            compare_with_input(given, dream_on(model, given, {**options, "strength": float(s)}))
            for s in (0, *STRENGTHS)
        ]
        distances.append([each.lsd for each in found])
        onsets.append(found[-1].onset_r)
    let_go()  # So many programs would fill the address space.
    steps = np.diff(distances, axis=1) / np.diff((0, *STRENGTHS))
    distances = np.array(distances)
    steps /= (distances[:, -1:] - distances[:, :1]) / STRENGTHS[-1]
    medians = [f"{value:.1f}" for value in np.median(distances, axis=0)[1:]]
    return [name, *medians, f"{steps.min():.2f}", f"{steps.max():.2f}", f"{np.median(onsets):.2f}"]
