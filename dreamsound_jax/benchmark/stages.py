"""Each stage of the way from a sound to its dream's sound, warm, beside what it would take at the
limits of the machine.
"""

import functools

import jax
import numpy as np

from dreamsound_jax import batch, devices, mel, outputs
from dreamsound_jax.benchmark import counts, dreams, random_network
from dreamsound_jax.benchmark.table import Table
from dreamsound_jax.benchmark.timing import Spread, interleaved
from dreamsound_jax.domains import DOMAINS
from dreamsound_jax.dream import dream_batch_level
from dreamsound_jax.objectives import CLASS_LAYER

COLUMNS = ["stage", "clips in a batch", "s/clip", "limit (s/clip)", "share of the limit"]
NOTES = (
    "Medians, and the fastest and the slowest round.",
    "The limit: the longer of what the products would take, counted as direct ones, at the speed "
    "of a large matrix product, and what reading and writing the data once would take at the speed "
    "of a copy. Winograd's convolutions need fewer products.",
    "A step is one of a dream's steps at that level; its limit is that of the network's gradient.",
)

least_squares = jax.jit(devices.over_clips(mel.mel_db_to_magnitude))
"""(clips, mel bands, frames) in dB to magnitudes (clips, bins, frames)."""

griffin_lim = jax.jit(devices.over_clips(mel.griffin_lim))
"""Keys and magnitudes (clips, bins, frames) to sounds (clips, samples)."""


def measure(context):
    """The `Table` of this part."""
    layer = context.options.layers_to_use[0]
    rows = [row for size in context.batch_sizes for row in _rows(context, layer, size)]
    title = (
        f"Stages of a clip of {context.seconds_of_sound:.2f} s, dreamed by {layer} of a VGG19 of "
        f"{context.width:g} times its width"
    )
    return Table(title, COLUMNS, rows, NOTES)


def _rows(context, layer, size):
    stages = {}
    model = random_network.model(context.width)
    for domain in DOMAINS:
        task = dreams.task(model, context.options, layer=layer, size=size, domain=domain)
        stages |= _steps(task, domain, context.shape) | _finish(task, domain, context.shape[1])
    stages |= _around(task, context.shape)
    seconds = interleaved({name: stage[0] for name, stage in stages.items()}, rounds=context.rounds)
    return [
        _row(name, size, np.divide(seconds[name], repeats * size), cost, context.limits)
        for name, (_, repeats, cost) in stages.items()
    ]


def _row(name, size, seconds, cost, limits):
    spread = Spread.of(seconds)
    if cost is None:
        return [name, size, spread, None, None]
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


def _finish(task, domain, frames):
    """{stage: (function, 1, `Cost` of the batch, if it is counted)}, of what follows a dream."""
    changed = task.starts.start()
    finish = functools.partial(batch.finish, task.starts, changed)
    if domain == "sound":
        return {"from the gain to the sound, domain sound": (finish, 1, None)}
    mel_db = task.model.card.destandardise(task.starts.spectrogram)
    magnitude = least_squares(mel_db)
    phases = functools.partial(griffin_lim, task.starts.key, magnitude)
    costs = [
        each(frames).times(task.size)
        for each in (counts.least_squares, counts.griffin_lim, counts.analysis)
    ]
    return {
        "from the spectrogram to the sound, domain mel": (finish, 1, counts.total(costs)),
        "... of that, least squares": (functools.partial(least_squares, mel_db), 1, costs[0]),
        "... of that, Griffin-Lim": (phases, 1, costs[1]),
    }


def _around(task, shape):
    """The same of what comes before a dream, and after its sound."""
    sounds, model = task.starts.sound, task.model
    mel_db = batch.analyse(sounds)
    host = np.asarray(sounds)[:, :, None]
    analysis = counts.analysis(shape[1]).times(task.size)
    hearing = counts.forward(model.card, CLASS_LAYER, shape, size=task.size)
    return {
        "analysis": (functools.partial(batch.analyse, sounds), 1, analysis),
        "class probabilities": (functools.partial(batch.hear, model, mel_db), 1, hearing),
        "WAV with its loudness": (functools.partial(_encode, host), 1, None),
    }


def _encode(sounds):
    for sound in sounds:
        outputs.encode(sound, sample_rate=mel.SAMPLE_RATE, loudness="safe")
