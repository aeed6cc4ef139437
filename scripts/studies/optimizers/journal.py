"""What was dreamed already: a line of JSON for each dream, so that a killed comparison goes on."""

import json
import os


class Journal:
    """The file at `path`, which may be there already; what is added is there after a kill.

    A record belongs to a key, a tuple of texts and numbers.
    """

    def __init__(self, path):
        self._records, torn = {}, False
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                torn = not line.endswith("\n")
                if not torn:  # else the process was killed in the middle of it
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
        self._file.write((json.dumps([key, record]) + "\n").encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        # As it will be read again: a comparison that went on is to be the same.
        self._records[key] = json.loads(json.dumps(record))
