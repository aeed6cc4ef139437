"""Files on a local disk, on gs:// or on s3://, written whole or not at all."""

import contextlib
import errno
import fnmatch
import hashlib
import importlib.util
import json
import os
import re
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etils import epath

from dreamsound_jax.system.errors import StorageError, UserError, reason_of

_SCHEME_END = "://"
# The packages that reach each kind of store.
_CLIENTS = {"gs": "gcsfs", "s3": "s3fs"}
# What file systems say of a name that they cannot have, or that a folder has,
_OF_A_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR)
# and of a file, or of the folder it is in, that must not be changed.
_FORBIDDEN = (errno.EACCES, errno.EPERM)
# Characters that end a line or steer a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_cloud(path: os.PathLike | str) -> bool:
    """Returns whether a path lies in a cloud store, such as gs:// or s3://."""
    return _SCHEME_END in os.fspath(path)


def path_of(name: os.PathLike | str) -> epath.Path:
    """Returns the path of a local file or folder, or of one in a store; `~` is the home folder.

    Raises:
      UserError: the name begins like an address of another kind, such as https://, or what
        reaches the store is not installed.
    """
    text = os.fspath(name)
    if not is_cloud(text):
        return epath.Path(os.path.expanduser(text))
    client = _CLIENTS.get(text.split(_SCHEME_END)[0])
    if client is None:
        raise UserError(f"{text!r} must be a local path, or begin with gs:// or s3://")
    if importlib.util.find_spec(client) is None:
        raise UserError(f"{text!r} needs {client}: pip install 'dreamsound-jax[cloud]'")
    return epath.Path(text)


def read_file(path: epath.Path) -> bytes:
    """Reads a file, local or in a store.

    Raises:
      UserError: it is a folder, or a pipe or a device, which may never end.
      OSError: it cannot be read. Each cloud client has errors of its own.
    """
    if not is_cloud(path) and (kind := name_special(path)):
        remedy = "name a file in it" if kind == "a folder" else "save what it holds to a file first"
        raise UserError(f"{os.fspath(path)!r} must be a file, and is {kind}: {remedy}")
    return path.read_bytes()


def name_special(path: str | os.PathLike) -> str:
    """Returns what a local path is that is no file, such as "a folder"; "" for files and nothing.

    Example:
      >>> name_special("/"), name_special("nowhere")
      ('a folder', '')
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    kinds = {stat.S_ISREG: "", stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe"}
    return next((kind for is_kind, kind in kinds.items() if is_kind(mode)), "a device")


def when_changed(path: str) -> int:
    """Returns when a local file was last changed; 0 if it lies in a store, or nowhere.

    It tells whether what was read from the file before still holds.
    """
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def has_control_characters(name: str) -> bool:
    """Returns whether a name has characters that end a line or steer a terminal."""
    return bool(_CONTROL.search(name))


def printable_name(name: str | bytes) -> str:
    r"""Returns the name of a file as text that can be printed and be the name of a file.

    Bytes that are no UTF-8 become the replacement character, and control characters, such as the
    end of a line, an underscore. In the locale POSIX, where Python
    writes names in ASCII, all that is not ASCII becomes an underscore.

    Example:
      >>> printable_name(b"caf\xe9.wav") == "caf\ufffd.wav"
      True
      >>> printable_name("a\nb.wav")
      'a_b.wav'
    """
    text = _CONTROL.sub("_", os.fsencode(name).decode(errors="replace"))
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return re.sub(r"[^\x00-\x7f]", "_", text)
    return text


def write_whole(path: os.PathLike | str, data: bytes, *, shared: bool = False) -> None:
    """Writes a file so that it is there whole or not at all, even if the machine stops meanwhile.

    An older file of that name is replaced in one step, after the new one is on the disk. A partial
    file that a killed writer left beside it is replaced, too.

    Args:
      path: where to write.
      data: the content of the file.
      shared: whether other processes may write the same file at the same time. Each then writes
        to a partial file of its own.

    Raises:
      UserError: this file cannot be written, but others can: the file system cannot have its name,
        say, or a folder has it.
      StorageError: the place cannot be written to, or is full.
    """
    place = path_of(path)
    try:
        if is_cloud(path):
            _put_object(place, data)
        else:
            _write_then_rename(Path(path), data, f"{uuid.uuid4().hex}." if shared else "")
    except Exception as error:  # Each cloud client has its own family of errors.
        kind = UserError if _concerns_one_file(error, path) else StorageError
        raise kind(f"cannot write {os.fspath(path)!r}: {reason_of(error)}") from error


def make_folder(folder: epath.Path) -> None:
    """Makes a folder, unless it is there; a store has no folders.

    Raises:
      StorageError: the folder cannot be made.
    """
    if is_cloud(folder):
        return
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {os.fspath(folder)!r}: {reason_of(error)}") from error


def write_new(path: os.PathLike | str, data: bytes) -> bool:
    """Writes a file as `write_whole` does, unless it is there; returns whether it was written.

    Of several processes that do so at the same time on one disk, only one writes it.
    """
    if os.path.exists(path) if not is_cloud(path) else epath.Path(path).exists():
        return False
    if is_cloud(path):
        write_whole(path, data)
        return True
    own = os.path.join(os.path.dirname(os.fspath(path)), f".{uuid.uuid4().hex}.part")
    write_whole(own, data)
    try:
        os.link(own, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # The file system has no hard links.
        os.replace(own, path)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(own)


def write_json(path: os.PathLike | str, entries: Any) -> None:
    """Writes a JSON file with `write_whole`."""
    write_whole(path, encode_json(entries))


def encode_json(entries: Any) -> bytes:
    """Encodes the content of a JSON file, which a person may read. All of it is ASCII."""
    return (json.dumps(entries, indent=2) + "\n").encode()


def list_files(folder: epath.Path, pattern: str) -> list[epath.Path]:
    """Lists the files in a folder whose names match a pattern, sorted by name.

    Only the names are matched, so the path of the folder may contain characters such as `[`. A
    folder that does not exist has no files; a store removes a folder with its last file.

    Raises:
      StorageError: the folder cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if fnmatch.fnmatchcase(path.name, pattern)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise StorageError(f"cannot look into {os.fspath(folder)!r}: {reason_of(error)}") from error
    return sorted(paths, key=lambda path: path.name)


def append_json_line(path: os.PathLike | str, entry: Any) -> None:
    """Appends an entry to a local file of JSON lines; it is on the disk when this returns.

    If a killed process left the last line unfinished, a new line is begun, so that the torn line
    spoils no other. Within a process, the caller must see to it that one thread writes at a time.

    Raises:
      StorageError: the file cannot be written, or the disk is full.
    """
    try:
        with open(path, "a+b", opener=_open_no_link) as file:
            _end_torn_line(file)
            file.write(encode_json_line(entry))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot write {os.fspath(path)!r}: {reason_of(error)}") from error


def encode_json_line(entry: Any) -> bytes:
    """Encodes an entry as one line of JSON. All of it is ASCII, so any text is a line."""
    return json.dumps(entry).encode() + b"\n"


def parse_json_lines(data: bytes) -> list:
    """Parses the content of a file of JSON lines, and leaves out lines that were torn."""
    # Lines are split as bytes: a text may contain characters that str.splitlines takes for an end
    # of line, and a torn line may end inside a character.
    entries = []
    for line in data.split(b"\n"):
        # Of a line that is nothing but brackets, the parser says RecursionError.
        with contextlib.suppress(ValueError, RecursionError):
            entries.append(json.loads(line))
    return entries


@contextlib.contextmanager
def local_copy(folder: epath.Path) -> Iterator[epath.Path]:
    """Gives a local folder with the same content: the folder itself, or a temporary copy.

    A folder in a store must be copied for Orbax, which takes s3:// for a relative path and reaches
    gs:// with other credentials than epath.
    """
    if not is_cloud(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        copy = epath.Path(place) / folder.name
        _copy(folder, copy)
        yield copy


def _concerns_one_file(error, path):
    """Whether an error in writing a file says nothing of the disk or the store."""
    number = getattr(error, "errno", None)
    if isinstance(error, ValueError | MemoryError) or number in _OF_A_NAME:
        return True
    folder = os.path.dirname(os.fspath(path)) or "."
    return number in _FORBIDDEN and os.path.exists(path) and os.access(folder, os.W_OK)


def _put_object(path, data):
    """Writes an object of a store, which is always written whole."""
    try:
        path.write_bytes(data)
    except FileNotFoundError:  # Its message speaks of the address that the client asked.
        bucket = os.fspath(path).split(_SCHEME_END)[1].split("/")[0]
        raise FileNotFoundError(f"there is no bucket {bucket!r}") from None


def _write_then_rename(path, data, infix):
    # The name may be as long as a name can be, so the partial file is named by a digest.
    digest = hashlib.blake2s(os.fsencode(path.name), digest_size=16).hexdigest()
    partial = path.parent / f".{digest}.{infix}part"
    try:
        # What a killed writer left is removed first; a link in its place is not followed.
        partial.unlink(missing_ok=True)
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _open_no_link(path, flags):
    """Opens a file, unless somebody has put a link in its place."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _end_torn_line(file):
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _copy(source, target):
    """Copies a file or a folder. (`epath.Path.walk` loses the s3:// of the paths it finds.)"""
    if not source.is_dir():
        target.write_bytes(source.read_bytes())
        return
    target.mkdir()
    for each in source.iterdir():
        _copy(each, target / each.name)
