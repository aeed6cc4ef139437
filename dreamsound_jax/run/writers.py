"""Finishes dreamed clips while the device dreams the next: sounds, pictures and files."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.errors import StorageError, describe_error

log = logging.getLogger(__name__)

THREADS = min(8, os.cpu_count() or 1)


class PendingClips(NamedTuple):
    """A batch that was dreamed, whose clips are still to be finished.

    Attributes:
      makers: for each clip, a function that returns its `ClipFiles`, or raises why it failed.
      close: called when all of them are finished.
      seconds: for which the device was busy.
    """

    makers: list[Callable]
    close: Callable
    seconds: float


class Records(Protocol):
    """Where clips are recorded, such as a `Manifest`."""

    def add(self, record: Mapping) -> None:
        """Adds the record of a clip."""


def describe_failure(job: Job, reason: str) -> dict:
    """Returns the record of a clip that failed."""
    return {"number": job.number, "name": job.name, "input": job.path, "error": reason}


class Writers:
    """Threads that finish clips, write them and record them; a context that waits for them.

    Only so many clips may wait: then `add` waits, too, and with it the device.

    Attributes:
      failed: {name of a clip: why it failed}.
    """

    def __init__(
        self,
        write: Callable,
        manifest: Records,
        *,
        most_waiting: int,
        report: Callable[[Mapping], None] = lambda record: None,
    ):
        """Starts the threads.

        Args:
          write: writes `ClipFiles`, and returns the record of the clip.
          manifest: where clips are recorded.
          most_waiting: how many clips may wait.
          report: called with each record, after it is in the manifest.
        """
        self._write, self._manifest, self._report = write, manifest, report
        self._most_waiting, self._lock = most_waiting, threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="write")
        self._waiting: set[Future] = set()
        self.failed: dict[str, str] = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._raise_errors(self._waiting)

    def add(self, sources: list[Source], pending: PendingClips) -> None:
        """Queues the clips of a batch for finishing and writing.

        Raises:
          StorageError: an earlier clip could not be written; this stops the run.
        """
        unfinished = len(sources)

        def finish(source, make):
            nonlocal unfinished
            self._finish(source, make)
            with self._lock:
                unfinished -= 1
                last = not unfinished
            if last:
                # What it leaves behind does no harm.
                with contextlib.suppress(Exception):
                    pending.close()

        for source, make in zip(sources, pending.makers, strict=True):
            while len(self._waiting) >= self._most_waiting:
                done, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
                self._raise_errors(done)
            self._waiting.add(self._pool.submit(finish, source, make))

    def fail(self, job: Job, reason: str) -> None:
        """Records a clip that failed."""
        log.error("%s", reason)
        self.failed[job.name] = reason
        self._add(describe_failure(job, reason))

    def _finish(self, source, make):
        job = source.job
        try:
            record = self._write(make())
        except StorageError:
            raise
        except Exception as error:
            log.debug("%s", job.name, exc_info=error)
            return self.fail(job, f"{job.name}: {describe_error(error)}")
        if "ended" in record:
            self.failed[job.name] = record["ended"]
        self._add(record | ({"input_file": source.input_file} if source.input_file else {}))

    def _add(self, record):
        self._manifest.add(record)
        self._report(record)

    def _raise_errors(self, futures):
        for future in futures:
            if future.done() and future.exception():
                raise future.exception()
