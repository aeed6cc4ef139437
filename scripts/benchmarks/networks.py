"""Part `networks`: what a second of sound costs by each included network.

Each network dreams in the domain "sound" by its default layer, by its deepest one that is not of
the head, and towards a class.
"""

import functools
import statistics
from dataclasses import replace

from benchmarks.dreams import Context, dream_sounds, make_task
from benchmarks.results import Table, time_in_turns
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.run.options.defaults import DOMAIN_DEFAULTS

INCLUDED = ("gm", "mtt", "msd")
HEADS = ["network", "layer", "milliseconds a second of sound", "times gm by relu5_4"]
YARDSTICK = ("gm", "relu5_4")
NOTES = ("One clip of noise of 2.8 seconds, from its analysis to the class of its dream.",)
SECONDS = 2.8


def measure(context: Context, included: tuple[str, ...] = INCLUDED) -> Table:
    """Returns the table of the networks with these names, of which the first must be gm."""
    tasks = {}
    for name in included:
        model = load_model(name)
        samples = round(SECONDS * model.card.front_end.sample_rate)
        options = replace(context.options, clip_length=samples)
        for layer in _choose_layers(model.card):
            task = make_task(model, options, layer=layer, size=1, domain="sound")
            tasks[name, layer] = functools.partial(dream_sounds, task)
    times = time_in_turns(tasks, rounds=context.rounds)
    medians = {way: statistics.median(each) for way, each in times.items()}
    rows = [
        [*way, 1000 * median / SECONDS, median / medians[YARDSTICK]]
        for way, median in medians.items()
    ]
    return Table("Dreams by the included networks", HEADS, rows, NOTES)


def _choose_layers(card):
    architecture = card.architecture
    default = card.choose_layer(DOMAIN_DEFAULTS["sound"].layer)
    deepest = architecture.last_local.name
    if YARDSTICK[1] in architecture.layers:
        deepest = YARDSTICK[1]
    return (default, deepest, architecture.class_layer)
