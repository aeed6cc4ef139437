"""What a soundfont says of itself, and what tells it from another of the same name."""

import hashlib
import os
from typing import NamedTuple

from dreamsound_jax.system.errors import UserError, reason_of

MAX_INFO_BYTES = 2**20  # What a soundfont says of itself has some hundred bytes.
LONGEST_TEXT = 200
UNKNOWN = "unknown"
RIFF, SOUNDFONT, LIST, INFO, COPYRIGHT = b"RIFF", b"sfbk", b"LIST", b"INFO", b"ICOP"
LFS_POINTER = b"version https://git-lfs"


class SoundfontInfo(NamedTuple):
    """Facts on the file of a soundfont.

    Attributes:
      copyright: what the soundfont states of its copyright or licence; "unknown" if it states none.
      digest: the SHA-256 of the file.
    """

    copyright: str
    digest: str


def read_soundfont_info(path: str | os.PathLike) -> SoundfontInfo:
    """Reads what a soundfont says of itself.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(MAX_INFO_BYTES)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read the soundfont {path}: {reason_of(error)}") from error
    return SoundfontInfo(_find_copyright(start), digest)


def check_soundfont(path: str | os.PathLike) -> None:
    """Raises UserError for a file that is no soundfont, or is cut short."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            start = file.read(24)
    except OSError as error:
        raise UserError(f"cannot read the soundfont {path}: {reason_of(error)}") from error
    if start.startswith(LFS_POINTER):
        raise UserError(f"{path} is only a Git LFS pointer to a soundfont; run `git lfs pull`")
    if start[:4] != RIFF or start[8:12] != SOUNDFONT:
        raise UserError(f"{path} must be a soundfont, an .sf2 or .sf3 file, and is none")
    # Some soundfonts leave out the last byte, which fills up an odd length.
    stated = int.from_bytes(start[4:8], "little") + 8
    if size + 1 < stated:
        raise UserError(f"{path} is cut short: it must have {stated} bytes, and has {size}")


def _find_copyright(start):
    """Returns the text of the chunk ICOP, in one line."""
    if start[:4] != RIFF or start[8:12] != SOUNDFONT:
        return UNKNOWN
    for kind, content in _iterate_chunks(start, 12):
        if kind == LIST and content[:4] == INFO:
            for name, text in _iterate_chunks(content, 4):
                if name == COPYRIGHT:
                    return _decode(text) or UNKNOWN
    return UNKNOWN


def _iterate_chunks(data, position):
    """Yields (name, content) of the chunks of a RIFF file, which begin at even places."""
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _decode(text):
    """Decodes a text of a soundfont, which has no stated encoding."""
    text = text.split(b"\0")[0]
    try:
        words = text.decode("utf-8")
    except UnicodeDecodeError:
        words = text.decode("latin-1")
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return line[:LONGEST_TEXT]
