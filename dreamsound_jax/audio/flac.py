"""The header of FLAC files (RFC 9639): where joined files begin, and how many samples it counts."""

import itertools
import re

_BEGINS = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # Then come 34 bytes, as in all FLAC.
_MOST_LINKS = 1000  # What is joined more often was made to take long, and is not taken apart.
_COUNT = slice(21, 26)  # The last 36 bits of these 5 bytes are the number of samples.
_COUNT_BITS = 36


def split_joined(data: bytes) -> list[bytes]:
    """Splits files of FLAC that were joined; returns [data] of one file."""
    starts = [found.start() for found in itertools.islice(_BEGINS.finditer(data), _MOST_LINKS)]
    return [data[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], len(data)])]


def count_announced(data: bytes) -> int:
    """Returns how many samples the header counts in each channel; 0 if it does not say it.

    Example:
      >>> head = b"fLaC" + bytes([0, 0, 0, 34]) + bytes(13)
      >>> count_announced(head + (44100).to_bytes(5, "big") + bytes(16))
      44100
    """
    return int.from_bytes(data[_COUNT], "big") % 2**_COUNT_BITS if _BEGINS.match(data) else 0


def forget_count(data: bytes) -> bytes:
    """Returns a file whose header does not count its samples, so that it is read to its end."""
    if not count_announced(data):
        return data
    kept = int.from_bytes(data[_COUNT], "big") >> _COUNT_BITS << _COUNT_BITS
    return data[: _COUNT.start] + kept.to_bytes(5, "big") + data[_COUNT.stop :]
