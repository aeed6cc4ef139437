"""Part `accelerator`: what a GPU or a TPU makes of large batches and of narrow arithmetic.

    python scripts/benchmark.py --parts=peers,accelerator --batch_sizes=1,8,64 --record

With `peers`, PyTorch is measured on the same card, where it runs there. On a CPU this part stays
small, and shows no more than that it works.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from benchmarks import counts, dreams, machine, precisions, rematerialised, whole
from benchmarks.precisions import WAYS
from benchmarks.table import Table
from benchmarks.timing import Spread, once
from dreamsound_jax.dreaming.dream import dream_batch_level

LARGE = 64  # clips in a batch, unless larger ones are asked for
MOST = 4096  # that are tried at once
ON_CPU = {"width": 1 / 16, "large": 2, "most": 4}
WHOLE = (
    "From sounds to dreamed sounds: analysis, dream, resynthesis and class probabilities, compiled "
    "before. Memory a clip is what the last level's program needs, arguments included; the peak is "
    "the most that the device says it held since it started.",
)
STEP = (
    "A step of the whole clip, in the domain {domain}, with all that belongs to it. FLOPs are "
    "those of the network's convolutions and products alone, counted as direct ones; the peak is a "
    "large matrix product of the same type, measured.",
)


def measure(context):
    """The `Table`s of this part: a step, whole dreams by batch, arithmetic, and activations."""
    large, most = max(LARGE, *context.batch_sizes), context.max_batch or MOST
    if jax.default_backend() == "cpu":
        context = context._replace(width=min(context.width, ON_CPU["width"]))
        large, most = ON_CPU["large"], min(most, ON_CPU["most"])
    large = min(large, most)
    return [
        step(context, large, WAYS["bfloat16"]),
        *[by_batch(context, most, name) for name in ("bfloat16", "float32")],
        precisions.compare(context, large),
        rematerialised.compare(context, large, WAYS["bfloat16"]),
    ]


def step(context, size, way):
    """The `Table` of a step's speed against the peak of a matrix product, in a `Way`."""
    options = replace(context.options, pyramid_size=1, precision=way.dtype)
    layer, own = options.layers_to_use[-1], precisions.model(context.width, way.dtype)
    task = dreams.task(own, options, layer=layer, size=size, domain=options.domain)
    with precisions.computing(way):
        once(lambda: dreams.ours(task))
        runs = [once(lambda: dreams.ours(task)) for _ in range(context.rounds)]
    peak = machine.limits(jnp.dtype(way.dtype), precision=way.products).flops
    spread = Spread.of([seconds / options.num_iterations for seconds in runs])
    flops = counts.gradient(own.card, layer, context.shape, size=size).flops
    reached = flops / spread.median
    row = [size, spread, reached / 1e12, peak / 1e12, reached / peak]
    heads = ["clips", "seconds", "TFLOP/s", "peak (TFLOP/s)", "share of the peak"]
    notes = tuple(note.format(domain=options.domain) for note in STEP)
    return Table(f"A step by {layer} in {way.dtype}", heads, [row], notes)


def by_batch(context, most, name):
    """The `Table` of whole dreams in batches of 1, 2, 4, ..., in one of `WAYS`."""
    rows, full = curve(lambda size: _whole(context, size, WAYS[name]), most=most)
    ended = (
        f"For {full} clips the device had no room." if full else f"More than {most} were not tried."
    )
    if rows:
        best = max(rows, key=lambda row: row[2])
        ended += f" The best batch was {best[0]} clips: {best[2]:.3g} clips a second."
    heads = ["clips in a batch", "s/clip", "clips/s", "memory a clip (MiB)", "peak (MiB)"]
    return Table(f"Whole dreams in {name}", heads, rows, (*WHOLE, ended))


def curve(attempt, *, most):
    """Attempts of 1, 2, 4, ... up to `most`, until the device has no room.

    Returns:
      What `attempt(size)` returned for each; and the size that there was no room for, or None.
    """
    found, size = [], 1
    while size <= most:
        try:
            found.append(attempt(size))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            return found, size
        size *= 2
    return found, None


def _whole(context, size, way):
    """A row of `by_batch`."""
    own = precisions.model(context.width, way.dtype)
    clips = whole.noises(own, context.options, size)
    dream = precisions.dreamer(context, way, clips)
    once(dream)
    spread = Spread.of([once(dream) / size for _ in range(context.rounds)])
    return [size, spread, 1 / spread.median, _memory(context, size, way) / size, _peak()]


def _memory(context, size, way):
    """MiB of the program of a dream's last level, the largest that there is."""
    options = replace(context.options, pyramid_size=1, precision=way.dtype)
    own, layer = precisions.model(context.width, way.dtype), options.layers_to_use[-1]
    task = dreams.task(own, options, layer=layer, size=size, domain=options.domain)
    arguments = (own.network, None, task.starts, task.clips)
    with precisions.computing(way):
        lowered = dream_batch_level.lower(*arguments, settings=task.settings, level=0)
        memory = lowered.compile().memory_analysis()
    return (memory.temp_size_in_bytes + memory.argument_size_in_bytes) / 2**20


def _peak():
    stats = jax.local_devices()[0].memory_stats() or {}
    most = stats.get("peak_bytes_in_use")
    return most and most / 2**20
