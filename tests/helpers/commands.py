"""The command: in a process of its own, and its parts in this process, without a start."""

import os
import subprocess
import sys

from absl.testing import flagsaver

import dreamsound_jax.cli.flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.run.options import Options

# There is little to compile, where the dream itself is not what is tested.
QUICK = (
    "--layers_to_use=relu2_2",
    "--pyramid_size=1",
    "--num_iterations=2",
    "--noplots",
)


# As tests do (conftest.py): most of the time of a short command goes into compiling.
_COMPILES_QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def start(*flags, cwd, **environment) -> subprocess.Popen:
    """Starts the command; its compiled programs are found by the processes after it."""
    command = [sys.executable, "-m", "dreamsound_jax", *map(str, flags)]
    environment = {**_COMPILES_QUICKLY, **os.environ, **environment}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, stderr=-1, stdout=-1)


def finish(process) -> tuple[int, str]:
    """Waits for a process that was started: (its exit code, what it printed)."""
    stdout, stderr = process.communicate(timeout=300)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout + stderr


def dream(*flags, cwd, **environment) -> str:
    """Runs the command, which must succeed; returns what it printed."""
    code, printed = finish(start(*flags, cwd=cwd, **environment))
    assert code == 0, printed
    return printed


def parse(*arguments: str) -> Options:
    """Returns the options of a command line, and leaves no flag changed."""
    with flagsaver.flagsaver():
        parsing.parse(["dreamsound", *arguments], module=own_flags.__name__, usage="")
        return own_flags.read_options()
