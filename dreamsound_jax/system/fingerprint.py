"""The fingerprint of a file, by which it is seen later whether the file has changed."""

import functools
import hashlib
import os
import stat
import time
from collections.abc import Mapping
from typing import Any

import fsspec

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import is_cloud, path_of

# What stores call the digest of an object, or else what changes when it is written.
_TAGS = ("ETag", "md5Hash", "crc32c", "etag", "generation", "mtime")


def take_fingerprint(path: str) -> dict[str, Any] | None:
    """Returns the fingerprint of a file, in JSON types; None if there is no such file.

    It holds the `size` in bytes and when it was `taken`, in seconds since 1970. Of a local file it
    also holds the SHA-256, and of what the system says of the file (`stat`) what changes when the
    file is written or replaced; of an object in a store, the `tag` that the store gives it.
    """
    found = _look_at(path)
    if found is None:
        return None
    found["taken"] = round(time.time(), 3)
    if "stat" not in found:
        return found
    digest = _digest(path, tuple(found["stat"]))
    return None if digest is None else found | {"sha256": digest}


def has_changed(path: str, before: Mapping[str, Any]) -> bool:
    """Returns whether a file is another than the one whose fingerprint was taken.

    A local file is read only if it has the same size and is not certainly the same file. One that
    cannot be looked at, or is gone, has not changed.
    """
    now = _look_at(path)
    if now is None:
        return False
    if now["size"] != before.get("size"):
        return True
    if "stat" not in now:
        return now["tag"] != before.get("tag")
    if now["stat"] == before.get("stat"):
        return False
    digest = _digest(path, tuple(now["stat"]))
    return digest is not None and digest != before.get("sha256")


def _look_at(path):
    """Returns what can be known of a file without reading it; None of what is no file."""
    try:
        return _look_into_store(path) if is_cloud(path) else _look_at_local(path)
    except (OSError, UserError, ValueError):
        return None


def _look_into_store(path):
    path_of(path)  # It says what is missing to reach the store.
    try:
        facts = fsspec.core.url_to_fs(path)[0].info(path)
    except Exception as error:  # Each cloud client has its own family of errors.
        raise OSError(str(error)) from error
    tag = next((facts[name] for name in _TAGS if facts.get(name)), None)
    return {"size": facts["size"], "tag": str(tag)}


def _look_at_local(path):
    found = os.stat(os.path.expanduser(path))
    if not stat.S_ISREG(found.st_mode):  # A pipe may never end.
        return None
    return {"size": found.st_size, "stat": [found.st_mtime_ns, found.st_ctime_ns, found.st_ino]}


@functools.lru_cache(maxsize=1024)
def _digest(path: str, is_as_it_was: tuple[int, ...]) -> str | None:
    """Returns the SHA-256 of a local file, which is read once; None if it cannot be read."""
    del is_as_it_was  # Only part of the key.
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
