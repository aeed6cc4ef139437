"""Part `start`: from the command to its end, in processes of their own, cold and warm.

A cold start finds no compiled programs, a warm one those of the cold start before it. With
--against=DIR, the same is done with the code of another checkout, in turns.
"""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.dreams import OPTIONS, Context
from benchmarks.results import Spread, Table, compare_pairs, time_call
from dreamsound_jax.system.cache import COMPILATION_CACHE_VARIABLE
from dreamsound_jax.system.errors import UserError

ROOT = Path(__file__).parents[2]
STARTS = {"cold": "dreamsound, cold", "warm": "dreamsound, warm", "help": "dreamsound --help"}
NOTE = "Cold: the compilation cache is empty; warm: it is as the cold start before left it."


def measure(context: Context, root: Path = ROOT) -> Table:
    """Returns the table of this part for the checkout `root`, and for `context.against`.

    Raises:
      UserError: `context.against` is not a checkout.
    """
    checkouts = {"this checkout": root}
    if context.against:
        checkouts["the other checkout"] = check_checkout(context.against)
    flags = [f"--{name}={getattr(context.options, name)}" for name in OPTIONS]
    flags += ["--input=noise", f"--layers_to_use={context.layers[0]}"]
    seconds = _time_starts(checkouts.values(), flags, rounds=context.rounds)
    heads = ["process", *(f"{name} (s)" for name in checkouts)]
    rows = [[title, *map(Spread.of, seconds[start])] for start, title in STARTS.items()]
    if context.against:
        heads.append("the other takes times as long")
        for row, (own, other) in zip(rows, seconds.values()):
            row.append(compare_pairs(other, own))
    notes = (NOTE, f"Flags: {' '.join(flags)}.")
    return Table("From the command to its end", heads, rows, notes)


def check_checkout(folder: str) -> Path:
    """Returns the path of another checkout; UserError if it is not one."""
    path = Path(folder).resolve()
    if not (path / "dreamsound_jax" / "__main__.py").is_file():
        raise UserError(
            f"--against must be a checkout, with dreamsound_jax/__main__.py in it, and is {folder}"
        )
    return path


def _time_starts(roots, flags, *, rounds):
    """Returns {start of STARTS: [seconds of each round] for each of the checkouts}."""
    seconds = {start: [[] for _ in roots] for start in STARTS}
    for _ in range(rounds):
        for number, root in enumerate(roots):
            with tempfile.TemporaryDirectory() as folder:
                cache = {COMPILATION_CACHE_VARIABLE: str(Path(folder) / "cache")}
                for start in STARTS:
                    arguments = ["--help"] if start == "help" else flags
                    run = functools.partial(
                        run_module, "dreamsound_jax", *arguments, root=root, cwd=folder, **cache
                    )
                    seconds[start][number].append(time_call(run))
    return seconds


def run_module(module: str, *arguments: str, root: Path = ROOT, cwd=None, **variables: str) -> str:
    """Returns what `python -m module` prints, run with the code of the checkout `root`.

    Args:
      module: the name of the module.
      *arguments: its command line.
      root: the checkout, which need not be installed.
      cwd: the folder that it runs in.
      **variables: environment variables that are set for it.

    Raises:
      subprocess.CalledProcessError: it failed.
    """
    places = [str(root), str(root / "scripts"), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, places))
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"PYTHONPATH": path} | variables
    done = subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()
