"""The manifest of a run: one record for each clip whose files are all written, or that failed.

Each process appends to a file of its own, `manifest-000.jsonl` and so on, and reads the files of
all processes. Objects in a cloud store cannot be appended to, so there each record is an object.
"""

import os
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

    A record is a mapping of JSON types with the clip's `number` and `name`; with `files`, {suffix:
    size in bytes}; and with `error`, the reason, if the clip failed. If a clip has several records,
    the last one counts; but a clip that is done stays done when it fails later.

    Args:
      folder: the folder of the run.
      process: the index of this process, which adds records to a file of its own.
    """

    def __init__(self, folder: epath.Path, *, process: int = 0):
        self._folder, self._process = folder, process
        self._lock = threading.Lock()

    def records(self) -> dict[int, dict]:
        """Reads the records of all processes, by clip number, in ascending order.

        What is no record, such as a line that was torn, is left out.
        """
        records = {}
        with ThreadPoolExecutor(_READERS) as pool:
            contents = list(pool.map(_read, list_files(self._folder, _PATTERN)))
        for content in contents:
            for record in filter(_is_record, parse_json_lines(content)):
                if _is_done(record) or not _is_done(records.get(record["number"])):
                    records[record["number"]] = record
        return dict(sorted(records.items()))

    def done(self) -> dict[int, dict]:
        """Returns the records of the clips that are done and whose files are whole.

        A clip of which a file is gone, or has another size than was written, is not done.
        """
        sizes = _sizes(self._folder)
        return {n: r for n, r in self.records().items() if _is_done(r) and _is_whole(r, sizes)}

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


def _read(path):
    # A folder or a dangling link may have the name of a manifest.
    return path.read_bytes() if path.is_file() else b""


def _sizes(folder):
    """Returns {name: size in bytes} of the files in a folder; of objects in a store, {name: None}.

    A store writes an object whole or not at all, and takes long to say how large each is.
    """
    if is_cloud(folder):
        return {path.name: None for path in folder.iterdir()}
    return {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}


def _is_whole(record, sizes):
    written = record.get("files") or {".json": None}
    for suffix, size in written.items():
        name = f"{record['name']}{suffix}"
        if name not in sizes or None not in (size, sizes[name]) and size != sizes[name]:
            return False
    return True


def _is_record(entry):
    if not isinstance(entry, dict):
        return False
    number, files = entry.get("number"), entry.get("files", {})
    return (
        type(number) is int
        and number >= 0
        and isinstance(entry.get("name"), str)
        and isinstance(files, dict)
    )


def _is_done(record):
    return record is not None and "error" not in record
