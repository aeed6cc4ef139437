"""Part `iterate`: an ouroboros by all layers, whose programs are shared by the layers of a stage.

A round by each of the 45 layers of the shipped network is dreamed twice, with shared programs and
with a program for each layer: what the first time takes longer than the second is compilation.
"""

import contextlib
import functools
from dataclasses import replace

import jax
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from benchmarks.dreams import Context, Task, make_task
from benchmarks.results import Table, time_call
from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.run.plan import ITERATE

WAYS = {"a program for each stage (as here)": True, "a program for each layer": False}
HEADS = ["iterate by", "programs", "seconds to compile", "seconds to dream, compiled"]
NOTES = ("Compilation is what the first time took longer than the second, for one clip.",)


def measure(context: Context, layers: tuple[str, ...] = LAYERS) -> Table:
    """Returns the table of both ways, for a round by each of `layers`."""
    options = replace(context.options, create_ouroboros=True)
    task = make_task(load_model(), options, layer=ITERATE, size=1, domain="sound")
    # The first round dreams by the deepest layer.
    numbers = [len(LAYERS) - 1 - LAYERS.index(layer) for layer in layers]
    title = f"One round by each of {len(layers)} layers; levels: {options.pyramid_size}"
    with without_compilation_cache():
        rows = [[name, *_measure_way(task, numbers, shared)] for name, shared in WAYS.items()]
    return Table(title, HEADS, rows, NOTES)


@contextlib.contextmanager
def without_compilation_cache():
    """Makes JAX compile each program anew, even if its compilation cache has it."""
    before = jax.config.jax_enable_compilation_cache
    _enable_compilation_cache(False)
    try:
        yield
    finally:
        _enable_compilation_cache(before)


def _enable_compilation_cache(enable):
    jax.config.update("jax_enable_compilation_cache", enable)
    # JAX reads this setting once, before the first program, unless its cache is reset.
    reset_cache()


def _measure_way(task, numbers, shared):
    """Returns the number of programs, the seconds to compile them, and those to dream."""
    dream_level_of_clips.clear_cache()
    dream = functools.partial(_dream_rounds, task, numbers, shared)
    first, second = time_call(dream), time_call(dream)
    return dream_level_of_clips._cache_size(), first - second, second


def _dream_rounds(task: Task, numbers, shared):
    dreams = []
    for number in numbers:
        plan = task.sources[0].plan
        if not shared:
            plan = replace(plan, iterates=False, layers=plan.layers_of_round(number))
        data = jax.tree.map(lambda leaf: leaf[None], plan.objective_data(None, number))
        settings = task.settings._replace(objective=data)
        network, program = task.model.network, plan.program(number)
        dreams.append(dream_clips(network, task.clips, settings, program=program))
    return dreams
