"""Files on a local disk, on gs:// or on s3://: written whole, or not at all."""

import contextlib
import hashlib
import json
import os
import tempfile
import uuid

from etils import epath

from dreamsound_jax.system.errors import UserError, reason_of

_CLOUD = "://"


def write_whole(path: str, data: bytes, *, shared: bool = False) -> None:
    """Writes a file that is there whole or not at all, even if the machine stops meanwhile.

    An older file of that name is replaced at the end, in one step. What a writer that was killed
    has left beside it is, too; unless it is `shared`: then others may write it at the same time.

    Raises:
      UserError: the place cannot be written to, or is full.
    """
    try:
        if is_cloud(path):
            _put_object(epath.Path(path), data)
        else:
            _write_then_rename(epath.Path(path), data, f"{uuid.uuid4().hex}." if shared else "")
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot write {os.fspath(path)!r}: {reason_of(error)}") from error


def is_cloud(path) -> bool:
    """Whether a path is of a cloud store, such as gs:// or s3://."""
    return _CLOUD in os.fspath(path)


def _put_object(path, data):
    """An object is there whole or not at all; folders there are none."""
    try:
        path.write_bytes(data)
    except FileNotFoundError:  # said of the store's address, in words of its own
        bucket = os.fspath(path).split(_CLOUD)[1].split("/")[0]
        raise FileNotFoundError(f"there is no bucket {bucket!r}") from None


def _write_then_rename(path, data, own):
    # A name may be as long as names can be; its digest is not.
    digest = hashlib.blake2s(path.name.encode(), digest_size=16).hexdigest()
    beside = path.parent / f".{digest}.{own}part"
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def local_copy(folder):
    """The folder itself, or, of one in a store, a copy for as long as it is needed.

    Orbax takes s3:// for a relative path, and reaches gs:// with other credentials than epath.
    """
    if not is_cloud(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        copy = epath.Path(place) / folder.name
        _copy(folder, copy)
        yield copy


def _copy(source, target):
    """Copies a folder and what is in it. (`epath.Path.walk` loses the s3:// of what it finds.)"""
    if not source.is_dir():
        target.write_bytes(source.read_bytes())
        return
    target.mkdir()
    for each in source.iterdir():
        _copy(each, target / each.name)


def write_json(path, entries):
    write_whole(path, (json.dumps(entries, indent=2) + "\n").encode())
