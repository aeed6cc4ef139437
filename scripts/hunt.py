"""Hunts for faults: feeds mutated and planted files of all kinds to what reads them.

    python scripts/hunt.py --cases=3000

A file must be read, or be refused in one line, within 20 seconds and 2 GB, and nothing in it may
run. Whatever else happens is printed with the command that repeats it.
"""

import collections
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system.errors import nearest_or_fail
from studies import report
from studies.hunt.bounded import Case, make_case, run_cases
from studies.hunt.targets import find_targets
from studies.paths import define_path

_CASES = flags.DEFINE_integer("cases", 3000, "The number of mutated files.", 1)
_KINDS = flags.DEFINE_list("kinds", [], "The kinds of files; by default all.")
_SEED = flags.DEFINE_integer("first_seed", 0, "The seed of the first mutation.", 0)
_KEEP = define_path("keep", None, "A folder for the files of the faults that are found.")


def main():
    kinds = _KINDS.value or [*find_targets()]
    for kind in kinds:
        nearest_or_fail("such kind of files:", kind, [*find_targets()])
    planted = [Case(kind, seed) for kind in kinds for seed in (-1, -2, -3)]
    mutated = [Case(kinds[n % len(kinds)], _SEED.value + n) for n in range(_CASES.value)]
    shares = [(planted + mutated)[start :: os.cpu_count()] for start in range(os.cpu_count())]
    with ThreadPoolExecutor(len(shares)) as pool:
        outcomes = [each for share in pool.map(lambda s: [*run_cases(s)], shares) for each in share]
    _print_table(kinds, outcomes)
    faults = [outcome for outcome in outcomes if outcome.is_fault]
    for fault in faults:
        print(
            f"{fault.found}: --kinds={fault.case.kind!r} --first_seed={fault.case.seed} --cases=1"
            f"  {fault.message}"
        )
        _keep(fault.case)
    return 1 if faults else 0


def _print_table(kinds, outcomes):
    facts = report.describe_run()
    print(f"`{facts['command']}`, {facts['date']}, {facts['device']}.\n")
    counts = collections.Counter((each.case.kind, each.found) for each in outcomes)
    found = sorted({name for _, name in counts}, key=lambda name: (name != "read", name))
    rows = [[kind, *(counts[kind, name] for name in found)] for kind in kinds]
    totals = ["all", *(sum(counts[kind, name] for kind in kinds) for name in found)]
    print(report.markdown_table(["kind", *found], [[*map(str, row)] for row in [*rows, totals]]))


def _keep(case):
    if not _KEEP.value:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = make_case(case, Path(folder))
        os.makedirs(_KEEP.value, exist_ok=True)
        shutil.copy(path, Path(_KEEP.value) / f"{case.kind}-{case.seed}-{path.name}")


if __name__ == "__main__":
    command_line.run(main, name="hunt", usage=__doc__, stopped="nothing was written")
