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


IGNORED = """
import gc, signal, sys, threading
from dreamsound_jax.system import stopping

def signal_once(*_):
    if not sent:
        sent.append(1)
        signal.raise_signal(signal.SIGTERM)

def collect_garbage():
    gc.collect(0)
    threading.Event().wait(60)

def ignore_all():
    try:
        signal_once()
    except BaseException:
        pass
    stopping.check_stop()

work = {"told": collect_garbage, "silently": ignore_all}[sys.argv[1]]
signal.signal(signal.SIGTERM, signal.SIG_DFL)
stopping.listen("dreamsound")
stopping._SECONDS_UNTIL_AGAIN = 0.002
gc.disable()  # It is collected when the test says so.
gc.callbacks.append(signal_once)
stopped = 0
for _ in range(100):
    sent = []
    stopping.begin_work()
    try:
        work()
    except stopping.Stopped as stop:
        stopped += stop.code == 143
print(stopped)
"""


@pytest.mark.parametrize("how", ["told", "silently"])
def test_no_stop_is_lost_where_exceptions_are_ignored(how):
    """Python tells of those that callbacks of garbage collection raise."""
    words = [sys.executable, "-c", IGNORED, how]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("100\n", "", 0)


def test_nothing_changes_for_python():
    before = signal.getsignal(signal.SIGTERM)
    stopping.begin_work()
    stopping.check_stop()
    assert signal.getsignal(signal.SIGTERM) == before
