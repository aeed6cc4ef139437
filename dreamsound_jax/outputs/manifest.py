"""Which clips of a run are done: a line each, added when all files of a clip are there.

Every process has a file of its own, `manifest-000.jsonl` and so on, and reads those of all. A file
system adds lines to it; a cloud store cannot, so there each line is an object of its own.
"""

import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import is_cloud, write_whole

log = logging.getLogger(__name__)

_PATTERN = "manifest-*.jsonl"
_READERS = 16  # at once: in a store there is an object for each clip


class Manifest:
    """The records of the run in `folder`, an `epath.Path`; this process adds its own.

    A record is a dictionary of JSON types with the clip's `number` and `name`; with `error`, its
    reason, if the clip failed. Of several records of a clip the last counts, but one that is done
    stays done.
    """

    def __init__(self, folder, *, process=0):
        self._folder, self._process = folder, process
        self._lock = threading.Lock()

    def records(self):
        """{number: record} of all processes, in the order of the numbers."""
        found = {}
        paths = sorted(self._folder.glob(_PATTERN), key=str)
        with ThreadPoolExecutor(_READERS) as pool:
            texts = pool.map(lambda path: path.read_text(), paths)
        for text in texts:
            for line in text.splitlines():
                record = _parse(line)
                if record and not _is_done(found.get(record["number"])):
                    found[record["number"]] = record
        return dict(sorted(found.items()))

    def done(self):
        """The numbers of the clips that are done: recorded, and their .json is there still."""
        there = {path.name for path in self._folder.iterdir()}
        records = self.records().values()
        return {r["number"] for r in records if _is_done(r) and f"{r['name']}.json" in there}

    def add(self, record):
        """Adds a record; it survives whatever happens afterwards.

        Raises:
          UserError: the place cannot be written to, or is full.
        """
        line = json.dumps(record, ensure_ascii=False) + "\n"
        if is_cloud(self._folder):
            name = f"manifest-{self._process:03d}-{record['number']:06d}.jsonl"
            return write_whole(f"{self._folder}/{name}", line.encode())
        path = self._folder / f"manifest-{self._process:03d}.jsonl"
        try:
            with self._lock, open(path, "a+b") as file:
                _end_torn_line(file)
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"cannot write {str(path)!r}: {reason_of(error)}") from error


def _end_torn_line(file):
    """What an earlier process was killed at becomes a line of its own, which says nothing."""
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _is_done(record):
    return bool(record) and "error" not in record


def _parse(line):
    """The record of a line; None for one that was cut short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"number", "name"} <= record.keys() else None
