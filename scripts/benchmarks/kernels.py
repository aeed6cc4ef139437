"""Part `kernels`: what the device does during a dream, kernel by kernel, as JAX's profiler sees it.

A CPU has no kernels of its own; there, the operations of XLA's threads are listed.
"""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
from jax.profiler import ProfileData

from benchmarks.dreams import Context, count_dream, dream_sounds, make_model, make_task
from benchmarks.results import Table, time_call

# So many kernels are listed, those that take longest.
MOST = 25
HEADS = ["operation", "kernel", "times called", "ms in all", "share of the busy time"]
NOTES = (
    "From sounds to dreamed sounds, compiled before. The device is busy while at least one kernel "
    "runs.",
)


class Kernel(NamedTuple):
    """One run of a kernel: from `start` to `end`, in nanoseconds."""

    operation: str
    name: str
    start: float
    end: float


def measure(context: Context) -> Iterator[Table]:
    """Yields a table for each number of clips in a batch."""
    model = make_model(context.width, context.options.precision)
    for size in context.batch_sizes:
        task = make_task(model, context.options, layer=context.layers[0], size=size, domain="sound")
        yield _make_table(task, context)


def _make_table(task, context):
    dream_sounds(task)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = time_call(lambda: dream_sounds(task))
        kernels = [kernel for file in Path(folder).rglob("*.xplane.pb") for kernel in read(file)]
    busy, speed = measure_busy(kernels), count_dream(task) / seconds
    totals = defaultdict(list)
    for kernel in kernels:
        totals[kernel.operation, kernel.name].append(kernel.end - kernel.start)
    longest = sorted(totals.items(), key=lambda item: -sum(item[1]))[:MOST]
    rows = [
        [*names, len(times), sum(times) / 1e6, sum(times) / max(busy, 1)]
        for names, times in longest
    ]
    title = f"Kernels of {task.size} clips in {context.options.precision}, {context.layers[0]}"
    end = (
        f"The dream took {1e3 * seconds:.4g} ms, that is {task.size / seconds:.3g} clips a second; "
        f"the device was busy for {busy / 1e6:.4g} ms of them, with {len(kernels)} kernels. The "
        f"gradients' FLOPs, as XLA counts them, were done at {speed / 1e12:.3g} TFLOP/s, "
        f"{speed / context.peak:.0%} of the peak."
    )
    return Table(title, HEADS, rows, (*NOTES, end))


def read(file: Path) -> Iterator[Kernel]:
    """Yields the kernels of a profile that JAX has written."""
    for plane in ProfileData.from_file(str(file)).planes:
        for line in plane.lines:
            on_device = plane.name.startswith("/device:") and line.name.startswith("Stream")
            on_host = jax.default_backend() == "cpu" and "XLA" in line.name
            if on_device or on_host:
                found = map(_describe, line.events)
                # Threads of a CPU also run what is no operation.
                yield from (kernel for kernel in found if kernel.operation or on_device)


def _describe(event):
    stats = dict(event.stats)
    operation = re.sub(r"[.\d]+$", "", str(stats.get("hlo_op", "")))
    name = re.sub(r"[<(].*", "", event.name)[:60]
    return Kernel(operation, name, event.start_ns, event.start_ns + event.duration_ns)


def measure_busy(kernels: Iterable[Kernel]) -> float:
    """Returns for how many nanoseconds at least one kernel ran."""
    busy, until = 0.0, 0.0
    for kernel in sorted(kernels, key=lambda kernel: kernel.start):
        busy += max(0.0, kernel.end - max(kernel.start, until))
        until = max(until, kernel.end)
    return busy
