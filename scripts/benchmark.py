"""How fast is it here, against what the machine could do, and against PyTorch?

    python scripts/benchmark.py                              # all parts
    python scripts/benchmark.py --parts=stages,peers --rounds=9
    python scripts/benchmark.py --record                     # and keep it in BENCHMARKS.md

Prints a table or more for each part. Things that are compared take turns in one run, so a machine
whose speed wavers wavers for all. Of dreamsound's flags, --clip_length, --num_iterations,
--pyramid_size, --lr and --seed are taken, too. PyTorch and librosa are the peers; without them, the
rest is measured.
"""

import importlib
from dataclasses import replace

from absl import flags

from dreamsound_jax import cli, command_line, runtime
from dreamsound_jax.errors import UserError, nearest_or_fail

PARTS = {
    "stages": "each stage of a dream, against the limits of the machine",
    "peers": "the dream, against PyTorch",
    "inversion": "spectrogram to sound, against librosa",
    "start": "from the command to the sound",
    "scaling": "longer clips, larger batches, more devices",
    "accelerator": "what only a GPU or a TPU shows",
}
"""Each is the module of `dreamsound_jax.benchmark` of its name, whose `measure` takes a `Context`
and returns a `Table` or a list of them.
"""
TAKEN = ("clip_length", "num_iterations", "pyramid_size", "lr", "seed")  # of dreamsound's flags

_PARTS = flags.DEFINE_list("parts", list(PARTS), f"what is measured: {', '.join(PARTS)}")
_WIDTH = flags.DEFINE_float(
    "width", 1.0, "of the network, whose weights are random; 1 is VGG19", lower_bound=0.02
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "how often each thing is timed", lower_bound=1)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "4"], "clips that are dreamed side by side")
_LAYERS = flags.DEFINE_list(
    "layers", ["relu5_4", "relu3_4", "relu1_1", "output"], "by which the part peers dreams"
)
_RECORD = flags.DEFINE_boolean("record", False, "write docs/benchmark.json and BENCHMARKS.md")
_JSON = flags.DEFINE_string("json", None, "a file to write the results of this run to")


def main():
    options, parts = check()
    runtime.prepare(precision=options.precision)
    for part in parts:
        module = importlib.import_module(f"dreamsound_jax.benchmark.{part}")
        print(module)


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
    return replace(cli.options(), seed=flags.FLAGS.seed or 0), [p for p in PARTS if p in asked]


if __name__ == "__main__":
    command_line.run(main, name="benchmark", usage=__doc__, stopped="nothing was written")
