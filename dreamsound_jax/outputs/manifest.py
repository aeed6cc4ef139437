"""The manifest of a run: one record for each clip whose files are all written, or that failed.

Each process appends to a file of its own, `manifest-000.jsonl` and so on, and reads the files of
all processes. Objects in a cloud store cannot be appended to, so there each record is an object.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from etils import epath

from dreamsound_jax.system.storage import (
    append_json_line,
    encode_json_line,
    is_cloud,
    list_files,
    parse_json_lines,
    write_whole,
)

_PATTERN = "manifest-*.jsonl"
_READERS = 16  # files that are read at the same time: a store holds one for each clip


class Manifest:
    """The records of the clips in the folder of a run.

    A record is a mapping of JSON types with the clip's `number` and `name`, and with `error`, the
    reason, if the clip failed. If a clip has several records, the last one counts; but a clip that
    is done stays done. Threads may use one manifest at the same time.

    Args:
      folder: the folder of the run.
      process: the index of this process, which adds records to a file of its own.
    """

    def __init__(self, folder: epath.Path, *, process: int = 0):
        self._folder, self._process = folder, process
        self._lock = threading.Lock()

    def records(self) -> dict[int, dict]:
        """Reads the records of all processes, by clip number, in ascending order."""
        records = {}
        paths = list_files(self._folder, _PATTERN)
        with ThreadPoolExecutor(_READERS) as pool:
            contents = list(pool.map(lambda path: path.read_bytes(), paths))
        for content in contents:
            for record in filter(_is_record, parse_json_lines(content)):
                if not _is_done(records.get(record["number"])):
                    records[record["number"]] = record
        return dict(sorted(records.items()))

    def done(self) -> set[int]:
        """Returns the numbers of the clips that are done and whose .json file is still there."""
        names = {path.name for path in self._folder.iterdir()}
        records = self.records().values()
        return {r["number"] for r in records if _is_done(r) and f"{r['name']}.json" in names}

    def add(self, record: Mapping) -> None:
        """Adds a record, which is on the disk or in the store when this returns.

        Raises:
          UserError: the folder cannot be written to, or the disk is full.
        """
        name = f"manifest-{self._process:03d}"
        if is_cloud(self._folder):
            path = self._folder / f"{name}-{record['number']:06d}.jsonl"
            write_whole(path, encode_json_line(record))
            return
        with self._lock:
            append_json_line(self._folder / f"{name}.jsonl", record)


def _is_record(entry):
    return isinstance(entry, dict) and {"number", "name"} <= entry.keys()


def _is_done(record):
    return record is not None and "error" not in record
