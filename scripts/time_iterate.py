"""Times `--layers_to_use=iterate`: programs that share a stage, against one for each layer.

    python scripts/time_iterate.py

Takes the flags of `dreamsound`, too. Dreams once by each of the 45 layers, twice in both ways: what
the first time takes longer is compiling.
"""

import os
import time
from dataclasses import replace

import jax
import jax.numpy as jnp

from dreamsound_jax import cli, command_line, dream, models, ouroboros, runtime, sources
from dreamsound_jax.vgg19 import LAYERS


def main():
    options = replace(cli.options(), create_ouroboros=True, layers_to_use=["iterate"])
    runtime.prepare(precision=options.precision)
    jax.config.update("jax_enable_compilation_cache", False)  # or nothing would be compiled
    model = models.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    found, _ = sources.collect(options, model.card, options.seed or 0)
    state = ouroboros.begin(model.card, found[:1], options)
    device = f"{jax.devices()[0].device_kind} ({os.cpu_count()} cores), JAX {jax.__version__}"
    print(f"{model.card.name}, {found[0].path}, on {device}")
    for way in ("a program for each stage", "a program for each layer"):
        report(way, model, state, options, by_stage="stage" in way)


def report(way, model, state, options, *, by_stage):
    """Prints how long all layers take, the first time and the second."""
    before = dream.dream_batch_level._cache_size()
    first, second = (sum(times(model, state, options, by_stage)) for _ in range(2))
    programs = dream.dream_batch_level._cache_size() - before
    print(f"{way}: {programs} programs, {first - second:.0f} s to compile, {second:.1f} s to dream")


def times(model, state, options, by_stage):
    """Seconds of one dream by each layer, deep to shallow."""
    for number in range(len(LAYERS)):
        layers = options.layers(number)
        settings = options.settings(number)
        settings = settings if by_stage else replace(settings, layers=layers)
        weights = jnp.asarray(dream.layer_weights(layers), options.dtype())[None]
        clip = state.clip._replace(layer_weights=weights)
        started = time.perf_counter()
        jax.block_until_ready(dream.dream(model.network, state.start, clip, settings=settings))
        yield time.perf_counter() - started


if __name__ == "__main__":
    command_line.run(main, name="time_iterate", usage=__doc__, stopped="nothing was written")
