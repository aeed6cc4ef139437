"""Part `accelerator`: large batches, narrow arithmetic, and activations that are computed again.

On a CPU this part stays small, and only shows that it works.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.dreams import (
    Context,
    Task,
    count_dream,
    dream_sounds,
    make_model,
    make_task,
    respond_to_clips,
)
from benchmarks.machine import measure_peak
from benchmarks.rematerialised import compare_rematerialisation
from benchmarks.results import Spread, Table, time_in_turns

# Clips in a batch, unless --batch_sizes has a larger one; and the most that are tried at once.
LARGE, MOST = 64, 4096
# Each batch that is tried is so many times as large as the one before.
FACTOR = 4
CPU_WIDTH, CPU_LARGE, CPU_MOST = 1 / 16, 2, 4
BATCH_HEADS = ["clips in a batch", "s/clip", "clips/s", "peak memory (MiB)"]
BATCH_NOTE = (
    "From sounds to dreamed sounds: analysis, dream, rendering and class probabilities, compiled "
    "before. Peak memory is the most that the device held since the benchmark was started."
)
HEADS = ["arithmetic", "s/clip", "TFLOP/s", "peak (TFLOP/s)", "share of the peak"]
HEADS += ["objective", "distance (dB)"]
NOTES = (
    "Whole dreams, of which only the FLOPs of the network's gradients are counted, as XLA counts "
    "them. The peak is that of a large matrix product of the same arithmetic, measured.",
    "Objective: what the dream reached, by the network in float32. Distance: the mean absolute "
    "difference of the dreamed spectrogram from that of float32.",
    "TF32 is a precision of NVIDIA's GPUs for products of float32 numbers.",
)


class Arithmetic(NamedTuple):
    """A way to compute: the dtype of weights, and the precision of products as JAX names it."""

    dtype: str
    products: str | None

    def make_task(self, context: Context, size: int) -> Task:
        """Returns a task of `size` clips whose network has this dtype."""
        model = make_model(context.width, self.dtype)
        return make_task(model, context.options, layer=context.layers[0], size=size, domain="sound")

    def bind(self, function, *arguments):
        """Returns a function without arguments that calls `function` in this precision."""

        def call():
            with jax.default_matmul_precision(self.products):
                return function(*arguments)

        return call


ARITHMETIC = {
    "float32": Arithmetic("float32", "float32"),
    "TF32": Arithmetic("float32", "tensorfloat32"),
    "bfloat16": Arithmetic("bfloat16", None),
}


def measure(context: Context) -> Iterator[Table]:
    """Yields tables of arithmetic, of activations, and of whole dreams by batch."""
    large, most = max(LARGE, *context.batch_sizes), context.max_batch or MOST
    if jax.default_backend() == "cpu":
        context = context._replace(width=min(context.width, CPU_WIDTH))
        large, most = CPU_LARGE, min(most, CPU_MOST)
    large = min(large, most)
    yield _compare_arithmetic(context, large)
    yield ARITHMETIC["bfloat16"].bind(compare_rematerialisation, context, "bfloat16", large)()
    for name in ("bfloat16", "float32"):
        yield measure_batches(context, most, name)


def measure_batches(context: Context, most: int, name: str, measure_batch=None) -> Table:
    """Returns the table of batches of 1, 4, 16, ... up to `most` clips, until memory is full.

    `measure_batch` returns the row of a `Context`, an `Arithmetic` and a size.
    """
    rows, size, end = [], 1, f"{most} clips are the most that were tried."
    while size <= most:
        try:
            rows.append((measure_batch or _measure_batch)(context, ARITHMETIC[name], size))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            end = f"The memory of the device was too small for {size} clips."
            break
        size *= FACTOR
    if rows:
        best = max(rows, key=lambda row: row[2])
        end += f" The best batch had {best[0]} clips: {best[2]:.3g} clips a second."
    return Table(f"Whole dreams in {name}", BATCH_HEADS, rows, (BATCH_NOTE, end))


def _measure_batch(context, arithmetic, size):
    dream = arithmetic.bind(dream_sounds, arithmetic.make_task(context, size))
    seconds = time_in_turns({"dream": dream}, rounds=context.rounds)["dream"]
    spread = Spread.of(np.divide(seconds, size))
    peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return [size, spread, 1 / spread.median, peak and peak / 2**20]


def _compare_arithmetic(context, size):
    on_gpu = jax.default_backend() == "gpu"
    possible = {name: each for name, each in ARITHMETIC.items() if on_gpu or name != "TF32"}
    tasks = {name: each.make_task(context, size) for name, each in possible.items()}
    dreams = {name: each.bind(dream_sounds, tasks[name]) for name, each in possible.items()}
    found = {name: np.asarray(dream().rendered.mel_db) for name, dream in dreams.items()}
    seconds = time_in_turns(dreams, rounds=context.rounds)
    rows = []
    for name, each in possible.items():
        spread = Spread.of(np.divide(seconds[name], size))
        speed = count_dream(tasks[name]) / size / spread.median
        peak = measure_peak(each.dtype, precision=each.products)
        distance = float(np.abs(found[name] - found["float32"]).mean())
        reached = _measure_objective(tasks["float32"], found[name])
        rows.append([name, spread, speed / 1e12, peak / 1e12, speed / peak, reached, distance])
    return Table(f"Arithmetic of the network, {size} clips at once", HEADS, rows, NOTES)


def _measure_objective(task, mel_db):
    """Returns the mean objective of spectrograms in dB by the network of a task, in float32."""
    heard = task.model.card.front_end.standardise(mel_db)
    arguments = (task.model.network, heard, task.settings)
    respond = ARITHMETIC["float32"].bind(
        lambda: respond_to_clips(*arguments, program=task.program)[0]
    )
    return float(respond().mean())
