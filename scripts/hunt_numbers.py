"""Hunts for bad numbers: dreams sounds at the rim of what there is, with extreme flags.

    python scripts/hunt_numbers.py --draws=100

Each draw dreams nine sounds, such as noise, a click, a constant, and a file with NaN, at three
learning rates, by one layer, in one domain and precision, with other flags at extreme values. Each
clip must be refused in one line, or be written: finite, as loud as promised, and with peaks under
-1 dBTP. Whatever else happens is printed with the command that repeats it.
"""

import collections
import logging
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jax
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import nearest_or_fail
from studies import report
from studies.hunt.dreamed import dream_draw
from studies.hunt.numbers import PRECISIONS, draw, write_network
from studies.paths import define_path

_DRAWS = flags.DEFINE_integer("draws", 100, "The number of draws in each precision.", 1)
_SEED = flags.DEFINE_integer("first_seed", 0, "The seed of the first draw.", 0)
_PRECISIONS = flags.DEFINE_list("precisions", list(PRECISIONS), "The precisions.")
_CHECKPOINT = define_path("checkpoint", None, "A network; by default a small random one.")
_SHOW_REFUSALS = flags.DEFINE_bool("show_refusals", False, "Whether refusals are printed.")
_PROCESSES = flags.DEFINE_integer("processes", 1, "The number of processes.", 1)


def main():
    runtime.log_plainly(quiet=True)
    for precision in _PRECISIONS.value:
        nearest_or_fail("precision", precision, PRECISIONS)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(_CHECKPOINT.value or write_network(Path(folder)))
        layers = read_card(checkpoint).architecture.layers
        outcomes = [
            outcome for each in _PRECISIONS.value for outcome in _hunt(each, layers, checkpoint)
        ]
    _print_table(outcomes)
    if _SHOW_REFUSALS.value:
        refused = collections.Counter(o.message for o in outcomes if o.found == "refused")
        print(*(f"{count} {message}" for message, count in refused.most_common()), sep="\n")
    faults = {(each.draw.seed, each.draw.precision): each for each in outcomes if each.is_fault}
    for (seed, precision), each in faults.items():
        print(
            f"{each.found} {each.message}: --draws=1 --first_seed={seed} "
            f"--precisions={precision} {each.input} {each.draw.options}"
        )
    return 1 if faults else 0


def _hunt(precision, layers, checkpoint):
    seeds = range(_SEED.value, _SEED.value + _DRAWS.value)
    draws = [draw(seed, precision, layers) for seed in seeds]
    with ProcessPoolExecutor(
        _PROCESSES.value,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(precision,),
    ) as pool:
        begun = [pool.submit(dream_draw, each, checkpoint=checkpoint) for each in draws]
        for number, future in enumerate(begun):
            outcomes = future.result()
            counts = collections.Counter(each.found for each in outcomes)
            print(precision, seeds[number], dict(counts), flush=True)
            yield from outcomes


def _prepare(precision):
    runtime.prepare(precision=precision)
    logging.disable()
    # Most of the time goes into compiling.
    jax.config.update("jax_disable_most_optimizations", True)


def _print_table(outcomes):
    facts = report.describe_run()
    print(f"`{facts['command']}`, {facts['date']}, {facts['device']}.\n")
    counts = collections.Counter((each.draw.precision, each.found) for each in outcomes)
    found = sorted({name for _, name in counts}, key=lambda name: (name != "written", name))
    rows = [[each, *(counts[each, name] for name in found)] for each in _PRECISIONS.value]
    print(report.markdown_table(["precision", *found], [[*map(str, row)] for row in rows]))


if __name__ == "__main__":
    command_line.run(main, name="hunt_numbers", usage=__doc__, stopped="nothing was written")
