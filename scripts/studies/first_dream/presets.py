"""How far each preset moves a sound, and how far from the other presets it ends."""

import itertools
from collections.abc import Sequence

import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.run.presets import list_presets
from studies.first_dream.dreams import Input, compare, compare_with_input, dream_on
from studies.report import markdown_table

HEADS = ("preset", "LSD (dB)", "tv (dB)", "onset r", "nearest preset", "LSD from it (dB)")


def measure(model: ds.Model, inputs: Sequence[Input]) -> str:
    """Returns a table with a row for each preset that is not one of the reference's.

    A preset that names a network dreams by it, and the others by `model`.
    """
    presets = [preset for preset in list_presets() if not preset.is_original]
    dreams = {preset.name: _dream_on_each(preset, model, inputs) for preset in presets}
    names = [*dreams]
    apart = {
        frozenset(pair): _distance_between(*(dreams[name] for name in pair))
        for pair in itertools.combinations(names, 2)
    }
    return markdown_table(HEADS, [_row(inputs, name, dreams, apart) for name in names])


def _dream_on_each(preset, model, inputs):
    own = preset.values.get("model")
    model = ds.load_model(own) if own else model
    return [dream_on(model, each, {"preset": preset.name}) for each in inputs]


def _row(inputs, name, dreams, apart):
    found = [compare_with_input(*each) for each in zip(inputs, dreams[name])]
    lsd, tv, onset_r = np.median(found, axis=0)
    distances = {other: apart[frozenset((name, other))] for other in dreams if other != name}
    near = min(distances, key=distances.get)
    measures = [f"{lsd:.1f}", f"{tv:.1f}", f"{onset_r:.2f}"]
    return [name, *measures, near, f"{distances[near]:.1f}"]


def _distance_between(some, others):
    """Returns the median distance between the dreams of two presets on the same inputs."""
    return float(np.median([compare(*pair).lsd for pair in zip(some, others)]))
