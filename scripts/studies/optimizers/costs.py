"""What an optimizer costs: time, memory, and the likeness of its sounds to real ones."""

import functools
import time
from dataclasses import replace

import jax
import numpy as np
import pandas as pd

from dreamsound_jax.audio import inputs
from dreamsound_jax.dreaming import batch, optimizers
from dreamsound_jax.dreaming.dream import dream_batch_level
from dreamsound_jax.spectral import measures, mel
from studies.optimizers import trace
from studies.optimizers.variants import list_optimizers

ROUNDS = 5  # All optimizers are timed in turns, this many times.


def make_costs(model, study, dreamer, real_activations):
    """Makes the table of costs, see `statistics.summarise`; steps are timed in one setting only."""
    first = next(iter(study.chosen))
    timed = {first: _recall_steps(model, study, dreamer, first)}
    return pd.DataFrame(
        {
            "setting": setting,
            "optimizer": name,
            "lr": lr,
            "frechet": _measure_frechet(model, study, dreamer, (setting, name), real_activations),
            **timed.get(setting, {}).get(name, {}),
        }
        for setting, lrs in study.chosen.items()
        for name, lr in lrs.items()
    )


def _recall_steps(model, study, dreamer, setting):
    """Returns what `_time_steps` measures, from the journal if it was measured before."""
    key = ("costs", setting)
    if key not in study.journal:
        example, plan = dreamer.read_example(setting), study.plan
        measured = _time_steps(model, example, plan.settings[setting], plan.variants)
        study.journal.add(key, measured)
    return study.journal[key]


def _measure_frechet(model, study, dreamer, names, real_activations):
    """Measures the Fréchet distance of an optimizer's written sounds to the real ones, or None."""
    if real_activations is None:
        return None
    paths = [dreamer.sound_path(dream) for dream in study.list_tests(*names)]
    sounds = [inputs.read(str(path), sample_rate=mel.SAMPLE_RATE) for path in paths]
    return measures.frechet_distance(trace.compute_activations(model, sounds), real_activations)


def _time_steps(model, sources, options, variants):
    """Measures the steps of each optimizer on a batch of sources.

    Each optimizer has a program of its own here, of one pyramid level, the whole clip: most of the
    time is spent there.

    Returns:
      {optimizer: {"seconds", "state_bytes", "temp_bytes"}}: the median time of a step of one clip;
      the size of the optimizer's state for the batch; the temporary memory of the program.
    """
    starts, _ = batch.gather(model.card, sources, options)
    prepared = {each.name: _prepare(model, starts, sources, options, each) for each in variants}
    seconds = {name: [] for name in prepared}
    steps = len(sources) * options.num_iterations
    for _ in range(ROUNDS):
        for name, (run, _) in prepared.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append((time.perf_counter() - began) / steps)
    return {
        name: {"seconds": float(np.median(seconds[name])), **memory}
        for name, (_, memory) in prepared.items()
    }


def _prepare(model, starts, sources, options, variant):
    """Compiles the program of a `Variant`; returns a function that runs it, and its memory."""
    changed = replace(options, pyramid_size=1, **variant.changes)
    own = [source._replace(changes=variant.changes) for source in sources]
    clips = batch.clips(own, changed)
    arguments = (model.network, None, starts, clips)
    lowered = dream_batch_level.lower(*arguments, settings=changed.settings(), level=0)
    compiled = lowered.compile()
    memory = {
        "state_bytes": len(sources) * _count_state_bytes(starts, clips, list_optimizers([variant])),
        "temp_bytes": compiled.memory_analysis().temp_size_in_bytes,
    }
    return functools.partial(compiled, *arguments), memory


def _count_state_bytes(starts, clips, names):
    """Counts the bytes of the state of one clip."""
    first = jax.tree.map(lambda leaf: leaf[0], clips.steps)
    chain = optimizers.chain(names, first, total=1)
    state = jax.eval_shape(chain.init, starts.spectrogram[0])
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
