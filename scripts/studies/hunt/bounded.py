"""Reads files in a process of its own, whose time and memory are bounded."""

import logging
import multiprocessing
import resource
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.system.errors import UserError
from studies.hunt.mutate import mutate
from studies.hunt.targets import find_targets, plant

SECONDS = 20
"""How much computing time a file may take."""
BYTES = 2 * 2**30
"""How much memory a file may take, beside that of the process when it starts."""

CASES = 250
"""How many cases a process runs: what libraries keep of each counts towards its memory, too."""


class Case(NamedTuple):
    """A mutated file: the kind of the file, and the seed of its mutations; below 0, it is planted.

    The seed -1 stands for a pickle, -2 for an array of objects, -3 for an archive of them.
    """

    kind: str
    seed: int


class Outcome(NamedTuple):
    """What happened to a case.

    Attributes:
      case: Which case it was.
      found: "read", "refused", or what is a fault: "raised ...", "slow", "ran what was planted",
        or "died".
      message: Of the error, in one line.
    """

    case: Case
    found: str
    message: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it must not happen."""
        return self.found not in ("read", "refused")


def make_case(case: Case, folder: Path) -> Path:
    """Makes the file of a case in an empty folder, and returns its path."""
    path = find_targets()[case.kind].make(folder)
    if case.seed < 0:
        path.write_bytes(plant(folder / "marker")[-1 - case.seed])
    else:
        path.write_bytes(mutate(np.random.default_rng(case.seed), path.read_bytes()))
    return path


def run_cases(cases: Iterable[Case]) -> Iterator[Outcome]:
    """Runs cases one after the other; a process that dies is followed by another."""
    context = multiprocessing.get_context("spawn")
    worker = None
    for number, case in enumerate(cases):
        if worker and number % CASES == 0:
            worker.stop()
            worker = None
        worker = worker or _Worker(context)
        outcome = worker.run(case)
        if outcome is None:
            worker.stop()
            worker, outcome = None, Outcome(case, "died")
        yield outcome
    if worker:
        worker.stop()


class _Worker:
    def __init__(self, context):
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, case):
        """Returns the outcome of a case; None if the process died, or hangs."""
        try:
            self._pipe.send(case)
            # The alarm of the process itself comes first, unless it waits, or hangs outside Python.
            return self._pipe.recv() if self._pipe.poll(20 * SECONDS) else None
        except (EOFError, OSError):
            return None

    def stop(self):
        self._process.kill()
        self._process.join()
        self._pipe.close()


class _Slow(BaseException):
    pass


def _be_slow(number, frame):
    raise _Slow


def _work(pipe):
    """Runs the cases that come through a pipe."""
    signal.signal(signal.SIGPROF, _be_slow)
    logging.disable()
    # The bound is set before the first case, when all is imported.
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        pipe.send(_run_case(case))


def _run_case(case):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make_case(case, folder)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            find_targets()[case.kind].read(path)
            outcome = Outcome(case, "read")
        except UserError as error:
            outcome = Outcome(case, "refused", str(error))
            if "\n" in str(error):
                outcome = Outcome(case, "refused in several lines", str(error))
        except _Slow:
            outcome = Outcome(case, "slow")
        except BaseException as error:
            outcome = Outcome(case, f"raised {type(error).__name__}", repr(error)[:200])
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if (folder / "marker").exists():
            outcome = Outcome(case, "ran what was planted")
        return outcome
