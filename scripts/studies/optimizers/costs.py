"""What an optimizer costs: time, memory, and the likeness of its sounds to real ones."""

import functools
import time

import jax
import numpy as np
import pandas as pd

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.dreaming.dream import dream_level_of_clips
from dreamsound_jax.dreaming.optimizers import make_transform
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.spectral import measures
from studies.optimizers import trace

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
        examples = {each.name: dreamer.read_example(setting, each) for each in study.plan.variants}
        study.journal.add(key, _time_steps(model, examples))
    return study.journal[key]


def _measure_frechet(model, study, dreamer, names, real_activations):
    """Measures the Fréchet distance of an optimizer's written sounds to the real ones, or None."""
    if real_activations is None:
        return None
    paths = [dreamer.sound_path(dream) for dream in study.list_tests(*names)]
    rate = model.card.front_end.sample_rate
    sounds = [read_sound(str(path), sample_rate=rate) for path in paths]
    return measures.frechet_distance(trace.compute_activations(model, sounds), real_activations)


def _time_steps(model, examples):
    """Measures the steps of each optimizer, which has a program of its own here.

    Args:
      model: A `loading.Model`.
      examples: {optimizer: the batch of sources on which it is timed}.

    Returns:
      {optimizer: {"seconds", "state_bytes", "temp_bytes"}}: the median time of a step of one clip;
      the size of the optimizer's state for the batch; the temporary memory of the program.
    """
    prepared = {name: _prepare(model, sources) for name, sources in examples.items()}
    seconds = {name: [] for name in prepared}
    for _ in range(ROUNDS):
        for name, (run, _) in prepared.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - began)
    steps = {name: len(each) * each[0].plan.num_iterations for name, each in examples.items()}
    return {
        name: {"seconds": float(np.median(seconds[name])) / steps[name], **memory}
        for name, (_, memory) in prepared.items()
    }


def _prepare(model, sources):
    """Compiles the program of a batch; returns a function that runs it, and its memory."""
    clips, _ = place_clips(sources)
    settings, program = place_settings(sources), sources[0].plan.program()
    arguments = (model.network, None, clips, settings)
    compiled = dream_level_of_clips.lower(*arguments, program=program, level=0).compile()
    memory = {
        "state_bytes": len(sources) * _count_state_bytes(clips, settings, program),
        "temp_bytes": compiled.memory_analysis().temp_size_in_bytes,
    }
    return functools.partial(compiled, *arguments), memory


def _count_state_bytes(clips, settings, program):
    """Counts the bytes of the state of one clip."""
    first = jax.tree.map(lambda leaf: leaf[0], settings.steps)
    transform = make_transform(program.optimizers, first, total=1)
    state = jax.eval_shape(transform.init, clips.spectrogram[0])
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
