"""What happens to dreamed clips while the device is busy with the next: sounds, pictures, files."""

import importlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

THREADS = min(8, os.cpu_count() or 1)
LATE = ("pyloudnorm", "matplotlib.figure", "matplotlib.backends.backend_agg")
"""What takes a second to import, and is not needed before a clip is dreamed."""


class Dreamed(NamedTuple):
    """A batch that was dreamed, and is on the host.

    Attributes:
      makers: for each of its clips, a function that gives the `ClipFiles`, or raises UserError.
      close: to be called when all of them are finished.
      busy: seconds for which the device was.
    """

    makers: list[Callable]
    close: Callable
    busy: float


class Finishers:
    """Threads that finish clips, and record them; a context, which ends when all are finished.

    Only so many clips wait: then `take` does, too, and with it whoever dreams.

    Attributes:
      failed: {name of a clip: why it failed}.
    """

    def __init__(self, write, manifest, *, most, after_clip):
        """`write` gives the record of a `ClipFiles`; `after_clip` is called after each."""
        self._write, self._manifest, self._after_clip = write, manifest, after_clip
        self._room, self._lock = threading.BoundedSemaphore(most), threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="finish")
        self.failed, self._broken = {}, None
        threading.Thread(target=_import_late).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._pool.shutdown(cancel_futures=kind is not None)
        self._raise_what_broke()

    def take(self, sources, dreamed):
        """Has the clips of a batch finished, some time."""
        left = [len(sources)]

        def finish(source, make):
            self._finish(source, make)
            with self._lock:
                left[0] -= 1
            if not left[0]:
                dreamed.close()

        for source, make in zip(sources, dreamed.makers, strict=True):
            self._room.acquire()
            self._raise_what_broke()
            self._pool.submit(self._unless_broken, finish, source, make)

    def fail(self, number, name, path, reason):
        """Records a clip that failed."""
        log.error("%s", reason)
        self.failed[name] = reason
        self._record({"number": number, "name": name, "input": path, "error": reason})

    def _finish(self, source, make):
        try:
            record = self._write(source, make())
        except UserError as error:
            name = source.name
            return self.fail(source.number, name, source.path, f"{name}: {error}")
        if "ended" in record:
            self.failed[source.name] = record["ended"]
        self._record(record)

    def _record(self, record):
        self._manifest.add(record)
        with self._lock:
            self._after_clip()

    def _unless_broken(self, work, *arguments):
        try:
            if not self._broken:
                work(*arguments)
        except BaseException as error:  # raised again where clips are handed in
            self._broken = error
        finally:
            self._room.release()

    def _raise_what_broke(self):
        if self._broken:
            raise self._broken


def _import_late():
    for name in LATE:
        importlib.import_module(name)
