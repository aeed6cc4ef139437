"""Kills commands at random moments, runs them again, and compares how they end.

    python scripts/kill.py --kills=20
    python scripts/kill.py --phases=train,atlas --kills=5 --work_dir=outputs/kills

Each phase is a command: a batch of dreams, an ouroboros, a conversion, a training and others, with
a small network. It is killed as by kill -9, at a random moment after its first file, and the same
command is given again. In the end the folder must hold what an uninterrupted run leaves, byte for
byte apart from times, and no temporary file. What differs is printed, and its folder is kept.
"""

from pathlib import Path

from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import nearest_or_fail
from studies import report
from studies.kills.inputs import make_inputs
from studies.kills.phases import PHASES
from studies.kills.trials import Trials
from studies.paths import define_path

_KILLS = flags.DEFINE_integer("kills", 20, "how often the command of each phase is killed", 1)
_IN_A_ROW = flags.DEFINE_integer(
    "in_a_row", 3, "how often a command is killed, at most, before it may end", 1
)
_PHASES = flags.DEFINE_list("phases", [*PHASES], "the phases")
_FIRST_SEED = flags.DEFINE_integer("first_seed", 0, "the seed of the first moment", 0)
_WORK_DIR = define_path("work_dir", "outputs/kills", "the folder of all files")


def main():
    runtime.log_plainly(quiet=True)
    for phase in _PHASES.value:
        nearest_or_fail("phase", phase, PHASES)
    folder = Path(_WORK_DIR.value).absolute()
    inputs = make_inputs(folder / "inputs")
    rows, faults = [], 0
    for phase in _PHASES.value:
        trials = Trials(phase, inputs, folder)
        kills = failed = 0
        seed = _FIRST_SEED.value
        while kills < _KILLS.value and seed < _FIRST_SEED.value + 2 * _KILLS.value:
            most = min(_IN_A_ROW.value, _KILLS.value - kills)
            outcome = trials.run(seed, kills=most)
            kills += len(outcome.moments)
            failed += bool(outcome.faults)
            for fault in outcome.faults:
                moments = ", ".join(f"{moment:.2f}" for moment in outcome.moments)
                print(f"{phase}, seed {seed}, killed after {moments} s: {fault}", flush=True)
            seed += 1
        varying = ", ".join(sorted(trials.varying)) or report.UNKNOWN
        rows.append(
            [
                phase,
                f"{trials.seconds:.1f}",
                str(seed - _FIRST_SEED.value),
                str(kills),
                str(failed),
                varying,
            ]
        )
        print(f"{phase}: {kills} kills, {failed} with faults", flush=True)
        faults += failed
    _print_table(rows)
    return 1 if faults else 0


def _print_table(rows):
    facts = report.describe_run()
    print(f"\n`{facts['command']}`, {facts['date']}, {facts['device']}.\n")
    headers = [
        "phase",
        "seconds",
        "runs",
        "kills",
        "with faults",
        "files whose numbers always vary",
    ]
    print(report.markdown_table(headers, rows))


if __name__ == "__main__":
    command_line.run(main, name="kill", usage=__doc__, stopped="what differs is printed above")
