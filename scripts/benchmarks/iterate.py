"""Part `iterate`: programs that share a stage of the network, against one for each layer.

Dreams once by each of the 45 layers, twice in both ways: what the first time takes longer is
compiling. With the embedded network.
"""

import contextlib
from dataclasses import replace

import jax
import jax.numpy as jnp

from benchmarks import whole
from benchmarks.table import Table
from benchmarks.timing import once
from dreamsound_jax.dreaming import dream, ouroboros
from dreamsound_jax.networks import loading
from dreamsound_jax.networks.vgg19 import LAYERS

WAYS = {"a program for each stage (as here)": True, "a program for each layer": False}
HEADS = ["iterate by", "programs", "seconds to compile", "seconds to dream, compiled"]
NOTES = ("Compiling: what the first time took longer than the second, of one clip.",)


def measure(context, layers=LAYERS):
    """The `Table` of both ways, over the last `layers` of the network."""
    options = replace(context.options, create_ouroboros=True, layers_to_use=["iterate"])
    model = loading.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    state = ouroboros.begin(model.card, whole.noises(model, options, 1), options)
    title = f"One round by each of {len(layers)} layers, {options.pyramid_size} levels"
    with _without_a_cache():
        rows = [
            [name, *_cost(model, state, options, len(layers), by_stage)]
            for name, by_stage in WAYS.items()
        ]
    return Table(title, HEADS, rows, NOTES)


@contextlib.contextmanager
def _without_a_cache():
    """Or nothing would be compiled."""
    was = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", was)


def _cost(model, state, options, count, by_stage):
    """How many programs were compiled, in how many seconds; and seconds without that."""
    dream.dream_batch_level.clear_cache()

    def all_rounds():
        return [_round(model, state, options, number, by_stage) for number in range(count)]

    first, second = once(all_rounds), once(all_rounds)
    return dream.dream_batch_level._cache_size(), first - second, second


def _round(model, state, options, number, by_stage):
    layers, settings = options.layers(number), options.settings(number)
    settings = settings if by_stage else replace(settings, layers=layers)
    weights = jnp.asarray(dream.layer_weights(layers), options.dtype())[None]
    clip = state.clip._replace(layer_weights=weights)
    return dream.dream(model.network, state.start, clip, settings=settings)
