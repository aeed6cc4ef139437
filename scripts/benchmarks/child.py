"""Runs a module in a process of its own, as this one is run."""

import os
import subprocess
import sys
from pathlib import Path


def run(module, *arguments, cwd=None, **variables):
    """What `python -m module` writes to stdout, where these environment variables are set.

    Raises:
      subprocess.CalledProcessError: it failed.
    """
    scripts = Path(__file__).parents[1]
    places = [str(scripts), str(scripts.parent)]  # a clone need not be installed
    path = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path} | variables
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()
