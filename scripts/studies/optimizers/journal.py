"""A file of records, one line of JSON each, so that an interrupted comparison can be resumed."""

import json
import os
from pathlib import Path


class Journal:
    """Maps keys (tuples of texts and numbers) to records, and keeps them in a file.

    A record is on the disk when `add` returns. A line that was cut short by a kill is ignored.
    """

    def __init__(self, path: Path):
        """Reads the file at `path`, if there is one, and opens it for more records."""
        self._records, torn = {}, False
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                torn = not line.endswith("\n")
                if not torn:
                    key, record = json.loads(line)
                    self._records[tuple(key)] = record
        self._file = open(path, "ab")  # noqa: SIM115 (it stays open)
        if torn:
            self._file.truncate(path.read_bytes().rfind(b"\n") + 1)

    def __contains__(self, key):
        return key in self._records

    def __getitem__(self, key):
        return self._records[key]

    def add(self, key, record):
        """Adds the record of `key`."""
        line = json.dumps([key, record])
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        # The record is kept as a resumed comparison will read it, so that both give equal results.
        self._records[key] = json.loads(line)[1]
