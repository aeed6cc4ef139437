"""The manifest of a run: one record for each clip whose files are all written, or that failed.

Each process appends to a file of its own, `manifest-000.jsonl` and so on, and reads the files of
all processes. Objects in a cloud store cannot be appended to, so there each record is an object.
"""

import contextlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from etils import epath

from dreamsound_jax.system.errors import StorageError, reason_of
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
    size in bytes}; with `input_file`, the fingerprint of the file that was dreamed on, if it was
    one; and with `error`, the reason, if the clip failed. A clip that was dreamed again has
    several.

    Args:
      folder: the folder of the run.
      process: the index of this process, which adds records to a file of its own.
    """

    def __init__(self, folder: epath.Path, *, process: int = 0):
        self._folder, self._process = folder, process
        self._lock = threading.Lock()

    @property
    def file_name(self) -> str:
        """The name of the file to which this process appends records, on a disk."""
        return f"manifest-{self._process:03d}.jsonl"

    def records(self) -> dict[int, dict]:
        """Returns the record that counts of each clip, by number, in ascending order.

        That is the last one whose files are whole; or else the last one that says why the clip
        failed; or else the last one.
        """
        sizes = _sizes(self._folder)
        found: dict[int, tuple[tuple, dict]] = {}
        for record in self._read_all():
            rank = 1 if "error" in record else 2 * _is_whole(record, sizes)
            key = rank, _when_read(record)
            if record["number"] not in found or key >= found[record["number"]][0]:
                found[record["number"]] = key, record
        return {number: record for number, (_, record) in sorted(found.items())}

    def done(self) -> dict[tuple[int, str, Any], dict | None]:
        """Returns {(number, name, input): input file} of the clips that are done.

        The input file is its fingerprint from when it was last dreamed on; None if there is no
        file, or none is recorded, as by earlier versions. A clip of which a file is gone, or
        shorter than it was written, is not done.
        """
        sizes = _sizes(self._folder)
        whole = [r for r in self._read_all() if "error" not in r and _is_whole(r, sizes)]
        return {
            (record["number"], record["name"], record.get("input")): record.get("input_file")
            for record in sorted(whole, key=_when_read)
        }

    def _read_all(self):
        """Returns all records; what is none, such as a torn line, is left out."""
        with ThreadPoolExecutor(_READERS) as pool:
            contents = list(pool.map(_read, list_files(self._folder, _PATTERN)))
        return [r for content in contents for r in parse_json_lines(content) if _is_record(r)]

    def add(self, record: Mapping) -> None:
        """Adds a record, which is on the disk or in the store when this returns.

        Raises:
          UserError: the folder cannot be written to, or the disk is full.
        """
        if is_cloud(self._folder):
            stem, suffix = os.path.splitext(self.file_name)
            path = self._folder / f"{stem}-{record['number']:06d}{suffix}"
            write_whole(path, encode_json_line(record))
            return
        with self._lock:
            append_json_line(self._folder / self.file_name, record)


def _read(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return b""  # A folder or a dangling link may have the name of a manifest.
    except PermissionError as error:
        raise StorageError(f"cannot read {str(path)!r}: {reason_of(error)}") from error


def _sizes(folder):
    """Returns {name: size in bytes} of the files in a folder; of objects in a store, {name: None}.

    A store writes an object whole or not at all, and takes long to say how large each is.
    """
    if is_cloud(folder):
        return {path.name: None for path in folder.iterdir()}
    sizes = {}
    for entry in os.scandir(folder):
        # Partial files of other processes may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            sizes[entry.name] = entry.stat().st_size
    return sizes


def _is_whole(record, sizes):
    written = record.get("files") or {".json": 0}
    for suffix, size in written.items():
        name = f"{record['name']}{suffix}"
        if name not in sizes or sizes[name] is not None and sizes[name] < size:
            return False
    return True


def _when_read(record):
    """Returns when the input of a clip was read, in seconds since 1970; 0 if it is not known.

    The records of several processes have no other order.
    """
    return (record.get("input_file") or {}).get("taken", 0.0)


def _is_record(entry):
    if not isinstance(entry, dict):
        return False
    number, files = entry.get("number"), entry.get("files", {})
    return (
        type(number) is int
        and number >= 0
        and _is_file_name(entry.get("name"))
        and isinstance(entry.get("input"), str | None)
        and isinstance(files, dict)
        and all(type(size) is int for size in files.values())
        and _is_fingerprint(entry.get("input_file"))
    )


def _is_fingerprint(entry):
    if not isinstance(entry, dict):
        return entry is None
    return isinstance(entry.get("taken", 0.0), int | float)


def _is_file_name(name):
    try:
        return bool(os.fsencode(name))
    except (TypeError, UnicodeEncodeError):
        return False
