"""Ctrl-C, kill and a terminal that is gone end a command with one line and its exit code."""

import signal
import subprocess
import sys

import pytest

from dreamsound_jax.system import stopping

COMMAND = """
import signal, sys
from dreamsound_jax.cli import flags, parsing

number, how = int(sys.argv.pop(1)), sys.argv.pop(1)

def action():
    try:
        signal.raise_signal(number)
        print("went on")
    finally:
        if how == "twice":
            signal.raise_signal(number)
            print("ended well")

# Whoever runs the tests may ignore it, as nohup does.
signal.signal(number, signal.SIG_IGN if how == "ignored" else signal.SIG_DFL)
parsing.run(
    action, name="dreamsound", usage="", stopped="what was finished is kept",
    module=flags.__name__, begins_work=how != "early",
)
"""
KEPT, AT_ONCE = (
    "dreamsound: stopped; what was finished is kept\n",
    f"dreamsound: {stopping.AT_ONCE}\n",
)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize(
    ("how", "says"), [("once", KEPT), ("early", AT_ONCE), ("twice", AT_ONCE), ("ignored", "")]
)
def test_a_signal_ends_a_command(name, code, how, says):
    words = [sys.executable, "-c", COMMAND, str(int(getattr(signal, name))), how]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=100)
    expected = (0, "went on\n", "") if how == "ignored" else (code, "", says)
    assert (done.returncode, done.stdout, done.stderr) == expected


THREADED = """
import signal, time
from concurrent.futures import ThreadPoolExecutor
from dreamsound_jax.cli import flags, parsing

def action():
    print("kept", end="")
    ThreadPoolExecutor(1).submit(time.sleep, 90)
    signal.raise_signal(signal.SIGTERM)

signal.signal(signal.SIGTERM, signal.SIG_DFL)
parsing.run(action, name="dreamsound", usage="", stopped="all is kept", module=flags.__name__)
"""


def test_the_first_signal_ends_a_command_whose_threads_compile():
    words = [sys.executable, "-c", THREADED]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    said = "dreamsound: stopped; all is kept\n"
    assert (done.returncode, done.stdout, done.stderr) == (143, "kept", said)


def test_nothing_changes_for_python():
    before = signal.getsignal(signal.SIGTERM)
    stopping.begin_work()
    assert signal.getsignal(signal.SIGTERM) == before
