"""What an optimizer costs beside plain ascent: time and memory of its steps, and its program."""

import functools
import time
from dataclasses import replace

import jax
import numpy as np

from dreamsound_jax.dreaming import batch, optimizers
from dreamsound_jax.dreaming.dream import dream_batch_level
from studies.optimizers.variants import names_of

ROUNDS = 5  # of timing, in turns


def measure(model, sources, options, variants):
    """{optimizer: {"seconds", "state_bytes", "temp_bytes", "compile_seconds"}}.

    Each has a program of its own here, of one pyramid level, the whole clip: that is where nearly
    all of the time goes. All dream on the same batch of `sources` in turns.

    `seconds` are those of a step of a clip, the median of several turns; `state_bytes` what the
    optimizer remembers of the batch, and `temp_bytes` what the program needs besides.
    """
    starts, _ = batch.gather(model.card, sources, options)
    prepared = {each.name: _prepare(model, starts, sources, options, each) for each in variants}
    seconds = {name: [] for name in prepared}
    for _ in range(ROUNDS):
        for name, (run, _) in prepared.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            steps = len(sources) * options.num_iterations
            seconds[name].append((time.perf_counter() - began) / steps)
    return {
        name: {"seconds": float(np.median(seconds[name])), **told}
        for name, (_, told) in prepared.items()
    }


def _prepare(model, starts, sources, options, variant):
    """(a function that dreams, what is known of its program) of a `Variant`."""
    changed = replace(options, pyramid_size=1, **variant.changes)
    own = [source._replace(changes=variant.changes) for source in sources]
    clips = batch.clips(own, changed)
    arguments = (model.network, None, starts, clips)
    lowered = dream_batch_level.lower(*arguments, settings=changed.settings(), level=0)
    began = time.perf_counter()
    compiled = lowered.compile()
    told = {
        "compile_seconds": time.perf_counter() - began,
        "state_bytes": len(sources) * _state_bytes(starts, clips, names_of([variant])),
        "temp_bytes": compiled.memory_analysis().temp_size_in_bytes,
    }
    return functools.partial(compiled, *arguments), told


def _state_bytes(starts, clips, names):
    """Of one clip."""
    first = jax.tree.map(lambda leaf: leaf[0], clips.steps)
    chain = optimizers.chain(names, first, total=1)
    state = jax.eval_shape(chain.init, starts.spectrogram[0])
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
