"""The elements of Matroska files (RFC 8794): whether the last one is whole.

FFmpeg stops at one that is cut short without a word, and a stream does not say how long it is.
"""

_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def ends_early(data: bytes) -> bool:
    """Returns whether a file ends within one of its elements.

    Example:
      >>> ends_early(bytes([0x1A, 0x45, 0xDF, 0xA3, 0x84]) + b"abc")
      True
    """
    at, end = 0, len(data)
    while at < end:
        name, body = _read_name(data, at)
        size, body = _read_size(data, body)
        if body > len(data):
            return True
        if size is None and name not in (_SEGMENT, _CLUSTER):
            return False  # It is no element that this function can follow.
        if size is not None and body + size > len(data):
            return True
        if name == _SEGMENT and size is not None:
            return False  # What lies behind it, or in it, was written with all sizes known.
        at = body if size is None else body + size
    return False


def _read_name(data, at):
    length = 9 - data[at].bit_length()
    return data[at : at + length], at + length


def _read_size(data, at):
    """Returns (the size of an element, None if it is unknown; where its body begins)."""
    if at >= len(data):
        return None, len(data) + 1
    length = 9 - data[at].bit_length()
    if length > 8:
        return None, at + 1
    number = int.from_bytes(data[at : at + length], "big")
    largest = (1 << 7 * length) - 1
    size = number & largest
    return None if size == largest else size, at + length
