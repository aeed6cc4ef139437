"""Ends a command that is asked to stop: by Ctrl-C, by kill, or because its terminal is gone."""

import contextlib
import os
import signal
import sys
from typing import NoReturn

AT_ONCE = "stopped at once, and what was not finished is lost: give the same command again"
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP.


class Stopped(KeyboardInterrupt):
    """The process was asked to stop; its message says what is kept.

    Attributes:
      code: the exit code, 128 and the number of the signal.
    """

    code = 128 + signal.SIGINT


class _Stop:
    """What signals do: raise `Stopped` once there is work to end well, or end the process."""

    def __init__(self, name):
        """Ends the command `name`."""
        self._name, self.has_begun = name, False

    def __call__(self, number, frame):
        """Handles a signal."""
        code = 128 + number
        if not self.has_begun:
            self._end(code)
        self.has_begun = False  # The second signal does not wait.
        stop = Stopped()
        stop.code = code
        raise stop

    def _end(self, code):
        # No exception: while Python imports, or in a callback of JAX, it would be lost.
        with contextlib.suppress(OSError, ValueError):
            os.write(2, f"{self._name}: {AT_ONCE}\n".encode())
        os._exit(code)


def listen(name: str) -> None:
    """Makes signals end a command at once, until `begin_work` is called.

    A signal that is ignored, as SIGHUP by nohup, stays so.

    Args:
      name: of the command, which its last line begins with.
    """
    stop = _Stop(name)
    for each in _SIGNALS:
        number = getattr(signal, each, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


def begin_work() -> None:
    """Makes the next signal raise `Stopped`, so that work is ended well; the one after it ends all.

    It does nothing where `listen` was not called, as in Python.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _Stop):
        handler.has_begun = True


def end(code: int) -> NoReturn:
    """Ends the process and those that it started, without waiting for its threads.

    Python would wait for them, and one that compiles a large program may take minutes.
    """
    import multiprocessing  # It would hold up each start.

    for process in multiprocessing.active_children():
        process.terminate()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
