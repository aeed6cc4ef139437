"""Part `start`: from the command to the sound, in a process of its own, cold and warm.

Cold is a compilation cache that is empty, warm one that the run before has filled.
"""

import json
import tempfile
import time
from pathlib import Path

from benchmarks import child
from benchmarks.table import Table
from benchmarks.timing import Spread
from benchmarks.traced import IMPORTS
from dreamsound_jax.system.runtime import CACHE_VARIABLE

ROUNDS = 3  # at most: each is four dreams, two of which compile all they need
TAKEN = ("clip_length", "num_iterations", "pyramid_size", "lr", "seed")
ROWS = (
    IMPORTS,
    "reading the model",
    "input",
    "compile: analysis",
    "compile: level {level}",
    "compile: resynthesis",
    "compile: class probabilities",
    "compile: small programs",
    "dream",
    "resynthesis",
    "class probabilities",
    "loudness, encoding, files",
    "picture",
)
REST = "the rest, with the end of Python"
NOTES = (
    "Cold: an empty compilation cache; warm: as the run before left it.",
    "Of each moment the row is that which was begun last: what a thread does while another waits "
    "for it counts once, and the rows sum to the wall clock.",
    "To compile is to trace, to lower, and to compile or to read from the cache, and for a program "
    "also what is compiled while it is traced. Two compile at a time, while others are traced.",
    "What loudness and pictures need is imported meanwhile, by a thread of its own.",
)


def measure(context):
    """Two `Table`s: seconds of whole processes, and what a run of median length spent them on."""
    flags = [f"--{name}={getattr(context.options, name)}" for name in TAKEN]
    whole, traced = {"cold": [], "warm": [], "help": []}, {"cold": [], "warm": []}
    for _ in range(min(context.rounds, ROUNDS)):
        with tempfile.TemporaryDirectory() as folder:
            whole["cold"].append(_seconds("dreamsound_jax", flags, folder))
            whole["warm"].append(_seconds("dreamsound_jax", flags, folder))
            whole["help"].append(_seconds("dreamsound_jax", ["--help"], folder))
        with tempfile.TemporaryDirectory() as folder:
            traced["cold"].append(trace(flags, folder))
            traced["warm"].append(trace(flags, folder))
    levels = context.options.pyramid_size
    return [_of_processes(whole, traced, flags), of_rows(traced, levels=levels)]


def shares(spans, began, ended):
    """{row: seconds} of the time from `began` to `ended`; they sum to it.

    `spans` are (row, begin, end). A moment is for the one in it that was begun last, and if there
    is none, for `REST`.
    """
    spans = [(row, max(began, first), min(ended, last)) for row, first, last in spans]
    edges = sorted({began, ended, *(edge for _, *both in spans for edge in both)})
    seconds = dict.fromkeys([row for row, *_ in spans] + [REST], 0.0)
    for left, right in zip(edges, edges[1:]):
        inside = [(first, row) for row, first, last in spans if first <= left and right <= last]
        seconds[max(inside)[1] if inside else REST] += right - left
    return seconds


def trace(flags, folder):
    """(seconds, {row: seconds}) of a `dreamsound` whose outputs and cache are in `folder`."""
    result, began = Path(folder) / "spans.json", time.time()
    _seconds("benchmarks.traced", [str(result), str(began), *flags], folder)
    ended = time.time()
    return ended - began, shares(json.loads(result.read_text()), began, ended)


def _seconds(module, flags, folder):
    """What a process takes, whose outputs and cache are in `folder`."""
    began = time.perf_counter()
    child.run(module, *flags, cwd=folder, **{CACHE_VARIABLE: str(Path(folder) / "cache")})
    return time.perf_counter() - began


def _of_processes(whole, traced, flags):
    names = {"cold": "dreamsound, cold", "warm": "dreamsound, warm", "help": "dreamsound --help"}
    rows = [[names[each], *Spread.of(seconds), len(seconds)] for each, seconds in whole.items()]
    rows += [
        [f"{names[each]}, with a stopwatch", *Spread.of([one for one, _ in runs]), len(runs)]
        for each, runs in traced.items()
    ]
    heads = ["process", "median (s)", "lowest (s)", "highest (s)", "runs"]
    notes = (f"Flags: {' '.join(flags)}.",)
    return Table("From the command to its end", heads, rows, notes)


def of_rows(traced, *, levels):
    """The `Table` of {"cold", "warm": a list of what `trace` returned}."""
    cold, warm = (_median(traced[each]) for each in ("cold", "warm"))
    names = [row.format(level=k + 1) for row in ROWS for k in range(levels if "{" in row else 1)]
    rows = [[name, cold[1].get(name, 0.0), warm[1].get(name, 0.0)] for name in [*names, REST]]
    rows.append(["all", cold[0], warm[0]])
    title = "Where the seconds of a process go (the run of median length)"
    return Table(title, ["what", "cold (s)", "warm (s)"], rows, NOTES)


def _median(runs):
    """The run of median length; of an even number, the shorter one in the middle."""
    return sorted(runs, key=lambda run: run[0])[(len(runs) - 1) // 2]
