"""Part `scaling`: what more costs: more clips, longer ones, more steps, wider networks, devices.

Each size has a process of its own, whose high-water mark is its memory.
"""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import child
from benchmarks.sized import Size
from benchmarks.table import Table
from dreamsound_jax.spectral import mel

WIDTH = 0.25  # at most: what grows is the same for wider ones, and each takes its time
STEPS = 2  # a level, but in the table of steps; of longer clips, one
ROUNDS = 2  # at most
SIZES = {
    "clips in a batch": (1, 2, 4, 8, 16),
    "seconds of sound": (2, 10, 60, 600),
    "steps a level": (1, 10, 100),
    "width of the network": (0.25, 0.5, 1.0),
}
DEVICES = (1, 2, 4)
EACH = 2  # clips on a device
KEPT = ("mel_db", "change_db", "sound")  # of a dream, to compare
NOTES = (
    "Seconds are those of a batch from its sounds to its dreamed sounds, compiled before; the "
    "median, if it is dreamed more than once. Memory is the most that the process held at any "
    "time, Python and compiling included.",
    "Growth is how many times as much as in the row above, over how many times the size: 1 is "
    "proportional, less is better than that.",
)
WIDER = "The work of a network grows with the square of its width, which is the size here."
VIRTUAL = (
    "The devices are virtual, all of them of the same cores: that shows that the dreams are the "
    "same, not that they are faster. A clip keeps its bits with as many clips on each device.",
)


def measure(context, sizes=SIZES, device_counts=DEVICES):
    """A `Table` for each of `sizes`, as `SIZES`, and one for devices."""
    tables = [_table(context, what, values) for what, values in sizes.items()]
    return [*tables, _of_devices(context, device_counts)]


def _table(context, what, values):
    costs = [run(_size(context, what, value)) for value in values]
    sizes = [value**2 if what.startswith("width") else value for value in values]
    seconds, memory = ([cost[kind] for cost in costs] for kind in ("seconds", "bytes"))
    columns = [values, seconds, growth(seconds, sizes), _mebibytes(memory), growth(memory, sizes)]
    heads = [what, "seconds", "growth", "memory (MiB)", "growth of memory"]
    notes = (*NOTES, WIDER) if what.startswith("width") else NOTES
    return Table(f"More {what}", heads, [list(row) for row in zip(*columns)], notes)


def _size(context, what, value):
    """The `Size` of a row: the smallest of all tables, but for what grows in this one."""
    options = replace(context.options, num_iterations=STEPS)
    changes = {"options": options, "width": min(context.width, WIDTH), "batch": 1}
    if what.startswith("clips"):
        changes["batch"] = value
    elif what.startswith("seconds"):
        length = round(value * mel.SAMPLE_RATE)
        changes["options"] = replace(options, clip_length=length, num_iterations=1)
    elif what.startswith("steps"):
        changes["options"] = replace(options, num_iterations=value)
    else:
        changes["width"] = value
    return Size.of(**changes, rounds=min(context.rounds, ROUNDS))


def growth(costs, sizes):
    """Of each row but the first, for which it is None: see `NOTES`."""
    pairs = zip(costs, costs[1:], sizes, sizes[1:])
    return [None, *[(cost / before) / (size / last) for before, cost, last, size in pairs]]


def _of_devices(context, counts):
    """As many clips on each device; and, in the last row, as many as that on one."""
    shares = [(count, EACH * count) for count in counts] + [(1, EACH * max(counts))]
    with tempfile.TemporaryDirectory() as folder:
        kept = [str(Path(folder) / f"{number}.npz") for number in range(len(shares))]
        sizes = [
            _size(context, "clips in a batch", clips)._replace(keep=path)
            for path, (_, clips) in zip(kept, shares)
        ]
        costs = [run(size, device_count=count) for size, (count, _) in zip(sizes, shares)]
        apart = [difference(path, kept[0], clips=EACH) for path in kept]
    rows = [
        [cost["devices"], clips, cost["seconds"], *each]
        for cost, (_, clips), each in zip(costs, shares, apart)
    ]
    first = f"of the first {EACH} clips"
    heads = ["devices", "clips", "seconds", f"largest change {first} (dB)", f"bits {first}"]
    return Table("More devices, the first clips against those of one device", heads, rows, VIRTUAL)


def difference(path, other, *, clips):
    """(largest difference in dB, "the same" or "others") of the first clips of two kept dreams."""
    mine, others = ([np.load(p)[name][:clips] for name in KEPT] for p in (path, other))
    same = all(map(np.array_equal, mine, others))
    return float(np.abs(mine[0] - others[0]).max()), "the same" if same else "others"


def run(size, *, device_count=None):
    """The `sized.cost` of a size in a process of its own; on so many virtual devices, if given."""
    places = {}
    if device_count:
        flags = f"--xla_force_host_platform_device_count={device_count}"
        places["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
        places["JAX_PLATFORMS"] = "cpu"
    said = child.run("benchmarks.sized", json.dumps(size), **places)
    return json.loads(said.splitlines()[-1])


def _mebibytes(values):
    return [value / 2**20 for value in values]
