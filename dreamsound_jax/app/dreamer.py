"""Owns the process that dreams, and stops it."""

import multiprocessing
import threading
from collections.abc import Iterator

from dreamsound_jax.app.jobs import Doing, Done, Job, Message, Refused, Stopped
from dreamsound_jax.app.worker import serve

SECONDS_BETWEEN_LOOKS = 0.5


class Dreamer:
    """Dreams one job at a time, in a process of its own.

    A job that is stopped ends at once, since its process does. The next process starts at the same
    time, and finds compiled programs on the disk.
    """

    def __init__(self) -> None:
        """Starts the process."""
        self._context = multiprocessing.get_context("spawn")
        self._one_job, self._lock = threading.Lock(), threading.Lock()
        self._owner: str | None = None
        self._was_stopped = False
        self._start()

    def _start(self):
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=serve, args=(theirs,), name="dreamer", daemon=True
        )
        self._process.start()
        theirs.close()

    def dream(self, job: Job, *, owner: str) -> Iterator[Message]:
        """Does a job, after those before it; yields what is being done, then how it ended.

        While nothing new is to be said, the last message is repeated twice a second.

        Args:
          job: what is asked for.
          owner: who may stop it.
        """
        while not self._one_job.acquire(timeout=SECONDS_BETWEEN_LOOKS):
            yield Doing("Waiting for another dream to end")
        try:
            with self._lock:
                if not self._process.is_alive():
                    self._start()
                self._owner, self._was_stopped = owner, False
                connection = self._connection
            yield from self._follow(connection, job)
        finally:
            with self._lock:
                is_abandoned, self._owner = self._owner is not None, None
            if is_abandoned:
                self._replace()
            self._one_job.release()

    def _follow(self, connection, job):
        message: Message = Doing("Starting")
        try:
            connection.send(job)
            while not isinstance(message, Done | Refused):
                yield message
                if connection.poll(SECONDS_BETWEEN_LOOKS):
                    message = connection.recv()
        except (EOFError, OSError):
            message = Stopped() if self._was_stopped else self._explain_end()
        with self._lock:
            self._owner = None
        yield message

    def _explain_end(self):
        self._process.join(5)
        code = self._process.exitcode
        return Refused(
            f"The process that dreams has ended (exit code {code}), perhaps for want of memory; "
            "a shorter sound may fit."
        )

    def stop(self, owner: str) -> None:
        """Stops the job of this owner, if it is being done."""
        with self._lock:
            if owner != self._owner:
                return
            self._was_stopped = True
        self._replace()

    def _replace(self):
        with self._lock:
            self.close()
            self._start()

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
