"""Part `terms`: what the terms of an objective cost, against that of a layer.

The network gm dreams in the domain "sound" by relu4_4: by the layer, by terms of it, and with
several views of each step.
"""

import functools
import statistics
from dataclasses import replace

import numpy as np

from benchmarks.dreams import Context, dream_sounds, make_task
from benchmarks.results import Table, time_in_turns
from dreamsound_jax import objectives
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.objectives import Objective

LAYER = "relu4_4"
HEADS = ["objective", "views", "milliseconds", "times the layer"]
NOTES = (
    "One clip of noise, from its analysis to the class of its dream; the guide is other noise of "
    "the same length.",
)


def make_objectives(samples: int, rate: int) -> dict[str, Objective]:
    """Makes {what a row calls it: an objective}."""
    guide = np.random.default_rng(0).normal(size=samples).astype(np.float32)
    layer = objectives.layer(LAYER)
    return {
        "layer": layer,
        "channel": objectives.channel(LAYER, 17),
        "neuron": objectives.neuron(LAYER, 17),
        "direction": objectives.direction(LAYER, np.ones(128)),
        "guide": objectives.guide(LAYER, guide, rate),
        "guide by statistics": objectives.guide(LAYER, guide, rate, match="statistics"),
        "features": objectives.features(LAYER, guide, rate),
        "layer, diversity": layer + objectives.diversity(LAYER),
        "layer, three penalties": layer
        - objectives.total_variation()
        + objectives.stay_near()
        + objectives.keep_spectrum(),
    }


def measure(context: Context, views: tuple[int, ...] = (2, 4)) -> Table:
    """Returns the table of terms, and of these numbers of views of the layer."""
    model = load_model("gm")
    found = make_objectives(context.options.clip_length, model.card.front_end.sample_rate)
    wanted = {(name, 1): (objective, context.options) for name, objective in found.items()}
    for count in views:
        wanted["layer", count] = (found["layer"], replace(context.options, views=count))
    tasks = {}
    for row, (objective, options) in wanted.items():
        task = make_task(model, options, layer=LAYER, size=1, domain="sound", objective=objective)
        tasks[row] = functools.partial(dream_sounds, task)
    times = time_in_turns(tasks, rounds=context.rounds)
    medians = {row: statistics.median(each) for row, each in times.items()}
    rows = [[*row, 1000 * each, each / medians["layer", 1]] for row, each in medians.items()]
    return Table("Dreams of gm by terms of relu4_4", HEADS, rows, NOTES)
