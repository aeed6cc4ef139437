"""Each stage of the way from a sound to its dream's sound, warm, beside what it would take at the
limits of the machine.
"""

import functools

import jax
import numpy as np
from dreamsound_jax.domains.domains import DOMAINS
from dreamsound_jax.objectives.combine import CLASS_LAYER

from benchmarks import counts, dreams, random_network
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming import batch
from dreamsound_jax.dreaming.dream import dream_batch_level
from dreamsound_jax.spectral import inversion, mel
from dreamsound_jax.system import devices

COLUMNS = ["stage", "clips in a batch", "s/clip", "limit (s/clip)", "share of the limit"]
NOTES = (
    "Medians, and the fastest and the slowest round.",
    "The limit: the longer of what the products would take, counted as direct ones, at the speed "
    "of a large matrix product, and what reading and writing the data once would take at the speed "
    "of a copy. Winograd's convolutions need fewer products.",
    "A step is one of a dream's steps at that level; its limit is that of the network's gradient.",
)

least_squares = jax.jit(devices.over_clips(inversion.mel_db_to_magnitude, at_once=batch.AT_ONCE))
"""(clips, mel bands, frames) in dB to magnitudes (clips, bins, frames)."""

griffin_lim = jax.jit(devices.over_clips(inversion.griffin_lim, at_once=batch.AT_ONCE))
"""Keys and magnitudes (clips, bins, frames) to sounds (clips, samples)."""


def measure(context):
    """The `Table` of this part."""
    layer = context.layers[0]
    rows = [row for size in context.batch_sizes for row in _rows(context, layer, size)]
    title = (
        f"Stages of a clip of {context.seconds_of_sound:.2f} s, dreamed by {layer} of a VGG19 of "
        f"{context.width:g} times its width"
    )
    return Table(title, COLUMNS, rows, NOTES)


def _rows(context, layer, size):
    model, options = random_network.model(context.width), context.options
    tasks = {
        domain: dreams.task(model, options, layer=layer, size=size, domain=domain)
        for domain in DOMAINS
    }
    stages = _before(tasks["mel"], context.shape)
    for domain, task in tasks.items():
        stages |= _steps(task, domain, context.shape)
    stages |= _finish_sound(tasks["sound"]) | _finish_mel(tasks["mel"], context.shape[1])
    stages |= _after(tasks["mel"], context.shape)
    seconds = interleaved({name: stage[0] for name, stage in stages.items()}, rounds=context.rounds)
    return [
        _row(name, size, np.divide(seconds[name], repeats * size), cost, context.limits)
        for name, (_, repeats, cost) in stages.items()
    ]


def _row(name, size, seconds, cost, limits):
    spread = Spread.of(seconds)
    if cost is None:
        return [name, size, spread, "not counted", "not counted"]
    limit = limits.seconds(flops=cost.flops, moved=cost.moved) / size
    return [name, size, spread, limit, limit / spread.median]


def _steps(task, domain, shape):
    """{stage: (function, how many steps it takes, `Cost` of a step of the batch)}, by level."""
    stages, reached = {}, None
    for level, of_level in enumerate(task.settings.level_shapes(shape)):
        step = functools.partial(
            dream_batch_level, task.model.network, reached, task.starts, task.clips
        )
        step = functools.partial(step, settings=task.settings, level=level)
        cost = counts.gradient(task.model.card, task.layer, of_level, size=task.size)
        name = f"a step at {of_level[0]} x {of_level[1]}, domain {domain}"
        stages[name] = (step, task.settings.num_iterations, cost)
        reached, _ = step()
    return stages


def _before(task, shape):
    """{stage: (function, 1, `Cost` of the batch)}, of what comes before a dream."""
    analyse = functools.partial(batch.analyse, task.starts.sound)
    return {"analysis": (analyse, 1, counts.analysis(shape[1]).times(task.size))}


def _finish_sound(task):
    """The same of what follows a dream in the sound; nobody counts it."""
    finish = functools.partial(batch.finish, task.starts, task.starts.start())
    return {"from the gain to the sound, domain sound": (finish, 1, None)}


def _finish_mel(task, frames):
    """The same of what follows a dream in the spectrogram."""
    finish = functools.partial(batch.finish, task.starts, task.starts.start())
    mel_db = task.model.card.destandardise(task.starts.spectrogram)
    solve = functools.partial(least_squares, mel_db)
    find_phases = functools.partial(griffin_lim, task.starts.key, solve())
    costs = [
        each(frames).times(task.size)
        for each in (counts.least_squares, counts.griffin_lim, counts.analysis)
    ]
    return {
        "from the spectrogram to the sound, domain mel": (finish, 1, counts.total(costs)),
        "... of that, least squares": (solve, 1, costs[0]),
        "... of that, Griffin-Lim": (find_phases, 1, costs[1]),
    }


def _after(task, shape):
    """The same of what follows when there is a sound."""
    model, sounds = task.model, np.asarray(task.starts.sound)[:, :, None]
    hear = functools.partial(batch.hear, model, batch.analyse(task.starts.sound))
    hearing = counts.forward(model.card, CLASS_LAYER, shape, size=task.size)
    return {
        "class probabilities": (hear, 1, hearing),
        "WAV with its loudness": (functools.partial(_render, sounds), 1, None),
    }


def _render(sounds):
    for sound in sounds:
        render_sound(sound, sample_rate=mel.SAMPLE_RATE)
