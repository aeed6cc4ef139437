"""The chunks of WAV, AIFF, CAF and RF64: where joined files begin, and what is not read.

Readers of these formats stop where the header says that the sound ends, without a word.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from dreamsound_jax.audio.tags import end_of_tags

_MOST_LINKS = 1000  # What is joined more often was made to take long, and is not taken apart.
_MOST_CHUNKS = 10_000
_TYPES = (b"WAVE", b"AIFF", b"AIFC")
_UNKNOWN_SIZE = 0x7FFF0000  # A size from here on is that of the rest.


class _Kind(NamedTuple):
    """How the chunks of a format lie: where the first one begins, and how a size is stored."""

    first: int
    size_bytes: int
    order: Literal["little", "big"]
    sound: bytes
    pads: bool = True


_WAV = _Kind(12, 4, "little", b"data")
_KINDS = {
    b"RIFF": _WAV,
    b"RF64": _WAV,
    b"RIFX": _Kind(12, 4, "big", b"data"),
    b"FORM": _Kind(12, 4, "big", b"SSND"),
    b"caff": _Kind(8, 8, "big", b"data", pads=False),
}


class SoundBytes(NamedTuple):
    """How many bytes of sound are in the chunk that is read, and how many are not read."""

    read: int
    unread: int


def split_joined(data: bytes) -> list[bytes]:
    """Splits files of WAV or of AIFF that were joined; returns [data] of anything else."""
    starts, end = [0], _end_of_file(data, 0)
    while len(starts) < _MOST_LINKS and _begins_like(data, end):
        starts.append(end)
        end = _end_of_file(data, end)
    if len(starts) == 1:
        return [data]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)])]


def _end_of_file(data, at):
    kind = _KINDS.get(data[at : at + 4])
    size = int.from_bytes(data[at + 4 : at + 8], kind.order) if kind else len(data)
    return at + 8 + size + size % 2


def _begins_like(data, at):
    """Returns whether a file of the same format as the first begins at a place."""
    return data[at : at + 4] == data[:4] and data[at + 8 : at + 12] in _TYPES


def count_sound_bytes(data: bytes) -> SoundBytes:
    """Counts the bytes of sound that the header of a file announces, and those that lie elsewhere.

    What lies elsewhere is in another chunk of sound, or behind all that is a chunk. Tags and zeros
    at the end do not count. Of other formats, both numbers are 0.

    Example:
      >>> count_sound_bytes(b"RIFF    WAVEdata" + bytes([2, 0, 0, 0]) + b"read" + b"\\xff" * 96)
      SoundBytes(read=2, unread=98)
    """
    kind = _KINDS.get(data[:4])
    if kind is None:
        return SoundBytes(0, 0)
    read, unread, end = 0, 0, kind.first
    for name, start, stop in _list_chunks(data, kind):
        if name == kind.sound:
            read, unread = stop - start, unread + read  # Readers take the last one.
        end = stop + (stop - start) % 2 * kind.pads
    rest = data[end_of_tags(data, end) :].rstrip(b"\0") if read else b""
    return SoundBytes(read, unread + len(rest))


def _list_chunks(data: bytes, kind: _Kind) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, start, stop) of each chunk, up to what is none."""
    at, whole = kind.first, 0
    for _ in range(_MOST_CHUNKS):
        if at + 4 + kind.size_bytes > len(data):
            return
        name, start = data[at : at + 4], at + 4 + kind.size_bytes
        size = int.from_bytes(data[at + 4 : start], kind.order)
        if name == b"ds64":  # It holds the size of the sound in a file of RF64.
            whole = int.from_bytes(data[start + 8 : start + 16], "little")
        is_sound = name == kind.sound
        if is_sound and not _UNKNOWN_SIZE > size > 0:
            size = whole or len(data) - start
        if not all(32 <= each < 127 for each in name) or not (
            is_sound or start + size <= len(data)
        ):
            return
        stop = min(start + size, len(data))
        yield name, start, stop
        at = _find_next(data, stop, kind) if size % 2 and kind.pads else stop


def _find_next(data, stop, kind):
    """Returns where the chunk behind one of odd size begins, whether or not it is padded."""
    return stop if data[stop : stop + 4].isalpha() else stop + 1
