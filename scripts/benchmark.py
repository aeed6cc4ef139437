"""How fast is it here, against what the machine could do, and against PyTorch?

    python scripts/benchmark.py                              # all parts
    python scripts/benchmark.py --parts=stages,peers --rounds=9
    python scripts/benchmark.py --record                     # and keep it in BENCHMARKS.md

Prints the tables of each part when it is measured. Things that are compared take turns in one run,
so a machine whose speed wavers wavers for all. PyTorch and librosa are the peers; without them, the
rest is measured. Of dreamsound's flags, --clip_length, --num_iterations, --pyramid_size, --lr and
--seed are taken, too.
"""

import datetime
import importlib
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
from absl import flags

from benchmarks import machine, record
from benchmarks.context import Context
from benchmarks.table import Table
from dreamsound_jax.cli import main as cli
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError, nearest_or_fail

PARTS = {
    "stages": "each stage of a dream, against the limits of the machine",
    "peers": "the dream, against PyTorch",
    "convolution": "each convolution, against XLA's own",
    "inversion": "spectrogram to sound, against librosa",
    "start": "from the command to the sound",
    "iterate": "an ouroboros by all layers, and what it compiles",
    "scaling": "longer clips, larger batches, more devices",
    "accelerator": "what only a GPU or a TPU shows",
}
"""Each is the module of `benchmarks` of its name, whose `measure` takes a `Context`
and returns a `Table` or a list of them.
"""
TAKEN = ("clip_length", "num_iterations", "pyramid_size", "lr", "seed")  # of dreamsound's flags

_PARTS = flags.DEFINE_list("parts", list(PARTS), f"what is measured: {', '.join(PARTS)}")
_WIDTH = flags.DEFINE_float(
    "width", 1.0, "of the network, whose weights are random; 1 is VGG19", lower_bound=0.02
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "how often each thing is timed", lower_bound=1)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "4"], "clips that are dreamed side by side")
_LAYERS = flags.DEFINE_list(
    "layers",
    ["relu5_4", "relu3_4", "relu1_1", "output"],
    "by which peers dreams; stages and convolution go by the first",
)
_TORCH_COMPILE = flags.DEFINE_boolean(
    "torch_compile", True, "try it, too, to have PyTorch at its best; this takes minutes"
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch", None, "the largest that the part accelerator tries", lower_bound=1
)
_RECORD = flags.DEFINE_boolean("record", False, "write docs/benchmark.json and BENCHMARKS.md")
_FOLDER = flags.DEFINE_string(
    "folder", str(Path(__file__).parent.parent), "in which --record writes them"
)
_JSON = flags.DEFINE_string("json", None, "a file to write the results of this run to")


def main():
    options, parts = check()
    runtime.prepare(precision=options.precision)
    context = Context(
        options=options,
        limits=machine.limits(),
        width=_WIDTH.value,
        rounds=_ROUNDS.value,
        batch_sizes=batch_sizes(),
        torch_compile=_TORCH_COMPILE.value,
        layers=tuple(_LAYERS.value),
        max_batch=_MAX_BATCH.value,
    )
    print(f"{machine.describe()}\n{machine.told(context.limits)}\n")
    results = {}
    for part in filter(is_meant_for_here, parts):
        found = measure(part, context)
        results[part] = {jax.default_backend(): found}
        keep(part, found, results)


def check():
    """(the `Options` of the dreams, the parts in the order of `PARTS`); UserError if bad."""
    ours = flags.FLAGS.flags_by_module_dict()[cli.__name__]
    for flag in ours:
        if flag.present and flag.name not in TAKEN:
            raise UserError(
                f"--{flag.name} is not for a benchmark; of dreamsound's flags, accepted are "
                + ", ".join(f"--{name}" for name in TAKEN)
            )
    asked = [nearest_or_fail("part", part, tuple(PARTS)) for part in _PARTS.value]
    for layer in _LAYERS.value:
        nearest_or_fail("layer", layer, LAYERS)
    if not asked or not _LAYERS.value:
        raise UserError("--parts or --layers is empty; without the flag, its default is taken")
    batch_sizes()
    if _RECORD.value:
        record.read(record.results_path(_FOLDER.value))
    return replace(cli.options(), seed=flags.FLAGS.seed or 0), [p for p in PARTS if p in asked]


def is_meant_for_here(part):
    """Whether the device has what a part is about, or it was asked for by name."""
    given = flags.FLAGS["parts"].present
    return bool(given) or part != "accelerator" or jax.default_backend() != "cpu"


def batch_sizes():
    """Small to large; UserError for what is none."""
    words = _BATCH_SIZES.value
    if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise UserError(f"--batch_sizes={','.join(words)}: accepted are whole numbers over 0")
    return tuple(sorted({int(word) for word in words}))


def measure(part, context):
    """Measures a part; prints its tables and returns them as `record.entry` has them."""
    began = time.perf_counter()
    found = importlib.import_module(f"benchmarks.{part}").measure(context)
    tables = [found] if isinstance(found, Table) else list(found)
    seconds = time.perf_counter() - began
    print(f"## {part}: {PARTS[part]} ({seconds:.0f} s)\n")
    print(*map(record.text, tables), sep="\n", flush=True)
    return record.entry(
        tables,
        command=shlex.join(["python", "scripts/benchmark.py", *sys.argv[1:]]),
        date=datetime.date.today().isoformat(),
        device=f"{machine.describe()}; {machine.told(context.limits)}",
        seconds=seconds,
    )


def keep(part, found, results):
    """Writes what is to be written, as soon as it is known."""
    if _JSON.value:
        record.write_json(_JSON.value, results)
    if _RECORD.value:
        record.update(_FOLDER.value, part, jax.default_backend(), found, parts=PARTS)


if __name__ == "__main__":
    command_line.run(main, name="benchmark", usage=__doc__, stopped="finished parts are kept")
