"""Runs a command, kills it at a random moment, runs it again, and says what differs in the end."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from dreamsound_jax.system.errors import UserError
from studies.kills.contents import list_differences, read_contents
from studies.kills.inputs import Inputs
from studies.kills.phases import PHASES

_ROOT = Path(__file__).parents[3]
_OF_TRIAL = ("temporary", "cache")  # folders beside what a command writes
_SECONDS_BETWEEN_LOOKS = 0.002
_WARNING = re.compile("Traceback|Warning")


class Run(NamedTuple):
    """A run of a command that ended or was killed.

    Attributes:
      code: its exit code.
      begun: after so many seconds it wrote something; None if it did not.
      seconds: that it took.
      errors: what it printed on standard error.
    """

    code: int
    begun: float | None
    seconds: float
    errors: str


class Outcome(NamedTuple):
    """What came of a trial.

    Attributes:
      moments: seconds from the first file that the command wrote to each kill.
      faults: what is wrong in the end, in a few words each.
    """

    moments: list[float]
    faults: list[str]


class Trials:
    """The trials of one phase.

    Attributes:
      varying: the files whose numbers, or bytes, differ between runs that are not killed.
      seconds: from the first file of such a run to its end.
    """

    def __init__(self, phase: str, inputs: Inputs, folder: Path):
        """Runs the command of a phase twice without a kill, below `folder`.

        Raises:
          UserError: the command fails though nobody kills it.
        """
        self._phase, self._inputs = PHASES[phase], inputs
        self._folder, self._shared_cache = folder / phase.replace(" ", "_"), folder / "cache"
        shutil.rmtree(self._folder, ignore_errors=True)
        _, self._expected = self._run_whole("whole")
        again, found = self._run_whole("again")  # Now all programs are compiled.
        names = {each.removesuffix(" differs") for each in self._list_differences(found, set())}
        self.varying = names & found.keys()
        self.seconds = again.seconds - (again.begun or 0.0)

    def run(self, seed: int, *, kills: int) -> Outcome:
        """Kills the command up to so many times, and runs it to its end.

        It is killed at moments that `seed` draws, fewer times if it ends before.
        """
        name, rng, moments = f"killed-{seed}", random.Random(seed), []
        while len(moments) < kills:
            moment = rng.random() * self.seconds / (1 + len(moments))
            if self._start(name, kill_after=moment).code != -signal.SIGKILL:
                break
            moments.append(moment)
        ended = self._start(name)
        faults = [] if ended.code == 0 else [f"the exit code is {ended.code}: {ended.errors}"]
        faults += filter(_WARNING.search, ended.errors.splitlines())
        faults += self._list_differences(self._read(name), self.varying)
        left = os.listdir(self._folder / name / "temporary")
        faults += [f"temporary/{each} is left over" for each in left]
        if not faults:
            shutil.rmtree(self._folder / name)
        return Outcome(moments, faults)

    def _run_whole(self, name) -> tuple[Run, dict[str, Any]]:
        run = self._start(name)
        if run.code:
            raise UserError(f"a command fails though it is not killed: {run.errors}")
        return run, self._read(name)

    def _list_differences(self, found, varying):
        return list_differences(self._expected, found, numbers_vary=varying)

    def _read(self, name):
        return read_contents(self._folder / name, without=_OF_TRIAL)

    def _start(self, name, *, kill_after=None) -> Run:
        """Runs the command in a folder, and kills it so many seconds after its first file."""
        folder = self._folder / name
        (folder / "temporary").mkdir(parents=True, exist_ok=True)
        cache = folder / "cache" if self._phase.has_own_cache else self._shared_cache
        environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "TMPDIR": str(folder / "temporary"),
            "XDG_CACHE_HOME": str(cache),
        }
        errors = self._folder / f"{name}.errors"
        with open(errors, "w") as stderr:
            process = subprocess.Popen(
                self._phase.command(self._inputs),
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            began, begun = time.monotonic(), None
            before = _list_all(folder)
            while process.poll() is None:
                now = time.monotonic() - began
                if begun is None and _list_all(folder) != before:
                    begun = now
                if None not in (begun, kill_after) and now - begun >= kill_after:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        return Run(process.returncode, begun, time.monotonic() - began, errors.read_text())


def _list_all(folder):
    """Lists what a command has written, {path: when it changed}; in the cache, programs alone."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in _OF_TRIAL]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                path = os.path.join(place, name)
                found[path] = os.stat(path).st_mtime_ns
    programs = folder / "cache" / "dreamsound_jax" / "programs"
    return found, len(os.listdir(programs)) if programs.exists() else 0
