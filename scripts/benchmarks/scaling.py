"""Part `scaling`: what more clips, longer clips, more steps and a wider network cost.

Each size is dreamed in a process of its own, so that its memory can be measured:

    python -m benchmarks.scaling SIZE

prints the cost of a `Size`, a JSON list, as JSON.
"""

import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.dreams import FRONT_END, OPTIONS, Context, dream_sounds, make_model, make_task
from benchmarks.results import Table, time_call
from benchmarks.start import run_module
from dreamsound_jax.run.options import Options
from dreamsound_jax.system import runtime

# What does not grow in a table is small, because growth is the same in larger dreams.
WIDTH = 0.25
STEPS = 2
ROUNDS = 2
SIZES = {
    "clips in a batch": (1, 2, 4, 8, 16),
    "seconds of sound": (2, 10, 60, 600),
    "steps a level": (1, 10, 100),
    "width of the network": (0.25, 0.5, 1.0),
}
HEADS = ["seconds", "growth", "memory (MiB)", "growth of memory"]
NOTES = (
    "Seconds are those of a batch from its sounds to its dreamed sounds, compiled before. Memory "
    "is the most that the process held at any time, including Python and compilation.",
    "Growth is how many times as much as in the row above, divided by how many times the size, or "
    "the square of the width: 1 is proportional, and less is better.",
)


class Size(NamedTuple):
    """What is dreamed: `batch` clips with `options`, {option: value}, by a layer of a network."""

    options: dict
    layer: str
    width: float
    batch: int
    rounds: int


def measure(context: Context, sizes=SIZES) -> Iterator[Table]:
    """Yields a table for each of `sizes`, {what grows: its values}."""
    for what, values in sizes.items():
        yield _measure_growth(context, what, values)


def measure_cost(size: Size) -> dict:
    """Returns the "seconds" of a batch, and the most "MiB" that this process has held; None if the
    system does not say.
    """
    model, options = make_model(size.width), Options(**size.options)
    task = make_task(model, options, layer=size.layer, size=size.batch, domain="sound")
    seconds = [time_call(lambda: dream_sounds(task)) for _ in range(1 + size.rounds)]
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return {"seconds": statistics.median(seconds[1:]), "MiB": found and int(found[1]) / 1024}


def _measure_growth(context, what, values):
    commands = [json.dumps(_size_of(context, what, value)) for value in values]
    printed = [run_module("benchmarks.scaling", command) for command in commands]
    costs = [json.loads(text.splitlines()[-1]) for text in printed]
    sizes = [value**2 if what.startswith("width") else value for value in values]
    seconds, memory = ([cost[kind] for cost in costs] for kind in ("seconds", "MiB"))
    columns = [values, seconds, measure_growth(seconds, sizes)]
    columns += [memory, measure_growth(memory, sizes)]
    return Table(f"More {what}", [what, *HEADS], list(map(list, zip(*columns))), NOTES)


def _size_of(context, what, value):
    """Returns the size of a row: all is small except what grows in its table."""
    options = {name: getattr(context.options, name) for name in OPTIONS} | {"num_iterations": STEPS}
    width, rounds = min(context.width, WIDTH), min(context.rounds, ROUNDS)
    size = Size(options, context.layers[0], width, batch=1, rounds=rounds)
    if what.startswith("clips"):
        return size._replace(batch=value)
    if what.startswith("width"):
        return size._replace(width=value)
    if what.startswith("steps"):
        return size._replace(options=options | {"num_iterations": value})
    samples = round(value * FRONT_END.sample_rate)
    return size._replace(options=options | {"clip_length": samples, "num_iterations": 1})


def measure_growth(costs: list, sizes: list) -> list[float | None]:
    """Returns the growth of each row over the row above, as NOTES defines it."""
    pairs = zip(costs, costs[1:], sizes, sizes[1:])
    return [None, *((c / last) / (size / before) if c else None for last, c, before, size in pairs)]


if __name__ == "__main__":
    runtime.prepare(precision="float32")
    print(json.dumps(measure_cost(Size(*json.loads(sys.argv[1])))))
