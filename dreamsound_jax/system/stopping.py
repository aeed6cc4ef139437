"""Ends a command that is asked to stop: by Ctrl-C, by kill, or because its terminal is gone."""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from typing import NoReturn

AT_ONCE = "stopped at once, and what was not finished is lost: give the same command again"
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP.
_SECONDS_UNTIL_AGAIN = 0.02


class Stopped(KeyboardInterrupt):
    """The process was asked to stop; its message says what is kept.

    Attributes:
      code: the exit code, 128 and the number of the signal.
    """

    code = 128 + signal.SIGINT


class _Stop:
    """What signals do: raise `Stopped` once there is work to end well, or end the process.

    An exception may be ignored where it is raised, as in a callback of garbage collection. Where
    Python tells of that, `Stopped` is raised again soon; elsewhere, by `check_stop`.
    """

    def __init__(self, name):
        """Ends the command `name`."""
        self._name, self.has_begun = name, False
        self._stop: Stopped | None = None
        self._signals_again = 0  # Those that `_signal_later` is to send.

    def __call__(self, number, frame):
        """Handles a signal."""
        if self._signals_again:
            self._signals_again -= 1
        elif not self.has_begun:
            self._end(128 + number)
        else:
            self._stop = Stopped()
            self._stop.code = 128 + number
        if self._stop is not None:
            self.has_begun = False  # The second signal does not wait.
            raise self._stop

    def check(self):
        """Raises `Stopped` if a signal came, once."""
        stop, self._stop = self._stop, None
        if stop is not None:
            self.has_begun = False
            raise stop

    def notice_ignored(self, ignored):
        """Sees to it that a `Stopped` that was ignored is raised again; Python calls it."""
        if not isinstance(ignored.exc_value, Stopped):
            sys.__unraisablehook__(ignored)
            return
        self.has_begun = True
        with contextlib.suppress(RuntimeError):  # No thread can be started at the very end.
            # A `threading.Thread` takes locks, which whatever was interrupted may hold.
            _thread.start_new_thread(_signal_later, (ignored.exc_value.code - 128,))
            self._signals_again += 1

    def _end(self, code):
        # No exception: while Python imports, or in a callback of JAX, it would be lost.
        with contextlib.suppress(OSError, ValueError):
            os.write(2, f"{self._name}: {AT_ONCE}\n".encode())
        os._exit(code)


def _signal_later(number):
    time.sleep(_SECONDS_UNTIL_AGAIN)  # Until what ignores exceptions has ended.
    if hasattr(signal, "pthread_kill"):
        # It wakes the main thread, too, where that waits for another thread.
        signal.pthread_kill(threading.main_thread().ident, number)
    else:
        signal.raise_signal(number)  # Windows.


def listen(name: str) -> None:
    """Makes signals end a command at once, until `begin_work` is called.

    A signal that is ignored, as SIGHUP by nohup, stays so.

    Args:
      name: of the command, which its last line begins with.
    """
    stop = _Stop(name)
    sys.unraisablehook = stop.notice_ignored
    for each in _SIGNALS:
        number = getattr(signal, each, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


def begin_work() -> None:
    """Makes the next signal raise `Stopped`, so that work is ended well; the one after it ends all.

    It does nothing where `listen` was not called, as in Python.
    """
    if (stop := _find_stop()) is not None:
        stop.has_begun = True


def check_stop() -> None:
    """Raises `Stopped` if a signal came since `begin_work`; called between pieces of work.

    A signal raises it by itself. This is for where the exception was caught or ignored by code that
    is not ours. It does nothing where `listen` was not called.
    """
    if (stop := _find_stop()) is not None:
        stop.check()


def _find_stop():
    handlers = (
        signal.getsignal(getattr(signal, name)) for name in _SIGNALS if hasattr(signal, name)
    )
    return next((each for each in handlers if isinstance(each, _Stop)), None)


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
