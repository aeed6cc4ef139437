"""Runs the command dreamsound, as a user would."""

import shlex
import subprocess
import sys

from dreamsound_jax.system.errors import UserError


def run_dreamsound(*arguments: str) -> None:
    """Runs dreamsound with these arguments.

    Raises:
      UserError: It failed; the message has the command and what it printed.
    """
    command = [sys.executable, "-m", "dreamsound_jax", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{shlex.join(command)} failed: {done.stderr.strip()}")
