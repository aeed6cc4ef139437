"""How fast the project is on this machine, against its peak, PyTorch and librosa.

    python scripts/benchmark.py                              # all parts
    python scripts/benchmark.py --parts=stages,peers --rounds=9
    python scripts/benchmark.py --parts=start --against=../other_checkout
    python scripts/benchmark.py --record                     # and write BENCHMARKS.md

Each part prints its tables when it has been measured, and writes them as JSON to
outputs/benchmarks. What is compared takes turns in one run, so that a machine whose speed varies
affects all alike. Without PyTorch or librosa, the rest is measured.
"""

import datetime
import importlib
import shlex
import sys
from pathlib import Path

import jax
from absl import flags

from benchmarks import record, start
from benchmarks.dreams import OPTIONS, Context
from benchmarks.machine import PRODUCTS, describe_machine, measure_peak
from benchmarks.results import Table, format_table
from dreamsound_jax.cli import parsing
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.options import FIELDS, Options
from dreamsound_jax.run.options.defaults import DOMAIN_DEFAULTS, MOST_LEVELS
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from studies.paths import define_path

PARTS = {
    "stages": "each stage of a dream, against the peak of the machine",
    "peers": "the dream, against PyTorch",
    "convolution": "each convolution, against XLA's own",
    "inversion": "spectrogram to sound, against librosa",
    "start": "from the command to the sound",
    "iterate": "an ouroboros by all layers, and what it compiles",
    "networks": "what a second of sound costs by each included network",
    "terms": "what the terms of an objective cost",
    "scaling": "longer clips, larger batches, wider networks",
    "accelerator": "what only a GPU or a TPU shows",
    "kernels": "what the device does during a dream",
}
"""Each part is the module of `benchmarks` with its name, whose `measure` takes a `Context` and
returns a `Table` or an iterator of them.
"""

_PARTS = flags.DEFINE_list("parts", list(PARTS), f"Parts to measure: {', '.join(PARTS)}.")
_WIDTH = flags.DEFINE_float(
    "width", 1.0, "Width of the network, whose weights are random; 1 is VGG19.", lower_bound=0.02
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "How often each thing is timed.", lower_bound=1)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "4"], "Numbers of clips dreamed at once.")
_LAYERS = flags.DEFINE_list(
    "layers",
    ["relu5_4", "relu3_4", "relu1_1", "output"],
    "Layers that are dreamed by in the part peers; other parts take the first.",
)
_TORCH_COMPILE = flags.DEFINE_boolean(
    "torch_compile", True, "Try torch.compile, too, which takes minutes."
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch", None, "The largest batch of the part accelerator.", lower_bound=1
)
_AGAINST = define_path(
    "against", None, "Another checkout, with whose start times the part start compares."
)
_RECORD = flags.DEFINE_boolean("record", False, "Write the results to BENCHMARKS.md, too.")
_FOLDER = define_path(
    "folder", str(start.ROOT), "The folder of BENCHMARKS.md and of outputs/benchmarks."
)
flags.DEFINE_enum(
    "precision",
    "float32",
    list(PRODUCTS),
    "The dtype of the network in the parts stages, peers and kernels.",
)
_DEFAULTS = {"lr": DOMAIN_DEFAULTS["mel"].lr, "pyramid_size": MOST_LEVELS}
for _name in OPTIONS:
    _define = flags.DEFINE_float if _name == "lr" else flags.DEFINE_integer
    _default = _DEFAULTS.get(_name, FIELDS[_name].default or 0)
    _define(_name, _default, FIELDS[_name].metadata["help"])


def main() -> None:
    """Measures, prints and keeps the parts that were asked for."""
    parts, batch_sizes = _check_flags()
    options = Options(**{name: flags.FLAGS[name].value for name in (*OPTIONS, "precision")})
    check_options(options)
    runtime.prepare(precision=options.precision)
    context = Context(
        options=options,
        peak=measure_peak(options.precision, precision=PRODUCTS[options.precision]),
        width=_WIDTH.value,
        rounds=_ROUNDS.value,
        batch_sizes=batch_sizes,
        layers=tuple(_LAYERS.value),
        torch_compile=_TORCH_COMPILE.value,
        max_batch=_MAX_BATCH.value,
        against=_AGAINST.value,
    )
    print(f"{describe_machine(context.peak, context.options.precision)}\n")
    for part in parts:
        _measure_part(part, context)


def _check_flags():
    """Returns (the parts in the order of PARTS, the batch sizes); UserError for a wrong flag."""
    for name in ("parts", "layers"):
        if not flags.FLAGS[name].value:
            raise UserError(f"--{name} must not be empty; leave it out for its default")
    for layer in _LAYERS.value:
        nearest_or_fail("layer", layer, LAYERS)
    asked = [nearest_or_fail("part", part, tuple(PARTS)) for part in _PARTS.value]
    if not flags.FLAGS["parts"].present and jax.default_backend() == "cpu":
        asked = [part for part in asked if part not in ("accelerator", "kernels")]
    if _AGAINST.value:
        start.check_checkout(_AGAINST.value)
    if _RECORD.value:
        record.read_page(_FOLDER.value)
    return [part for part in PARTS if part in asked], _read_batch_sizes()


def _read_batch_sizes():
    words = _BATCH_SIZES.value
    if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise UserError(
            f"--batch_sizes must be whole numbers greater than 0, and is {','.join(words)!r}"
        )
    return tuple(sorted({int(word) for word in words}))


def _measure_part(part, context):
    """Measures a part; prints and writes each table at once, in case the next takes too long."""
    print(f"## {part}: {PARTS[part]}\n", flush=True)
    found = importlib.import_module(f"benchmarks.{part}").measure(context)
    given = [word for word in sys.argv[1:] if not word.startswith("--folder")]
    facts = {
        "command": shlex.join(["python", "scripts/benchmark.py", *given]),
        "date": datetime.date.today().isoformat(),
        "device": describe_machine(context.peak, context.options.precision),
    }
    kind, folder = jax.default_backend().upper(), Path(_FOLDER.value)
    tables = []
    for table in [found] if isinstance(found, Table) else found:
        print(format_table(table), flush=True)
        tables.append(table)
        record.save_json(folder, part, kind, tables, facts)
        if _RECORD.value:
            record.record(folder, part, kind, tables, facts, parts=PARTS)


if __name__ == "__main__":
    parsing.run(main, name="benchmark", usage=__doc__, stopped="finished parts are kept")
