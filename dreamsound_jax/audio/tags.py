"""Where the tags of ID3 and APE end, which stand before, between and behind sounds."""

_HEADER = 10  # bytes, of ID3v2
_HAS_FOOTER = 0x10
_APE_HEADER = 32


def end_of_tags(data: bytes, at: int = 0) -> int:
    """Returns where the tags that begin at a place of a file end; the place itself without any.

    Example:
      >>> end_of_tags(b"ID3" + bytes([3, 0, 0, 0, 0, 0, 5]) + b"title" + b"sound")
      15
    """
    while size := _size_of_tag(data, at):
        at += size
    return min(at, len(data))


def _size_of_tag(data, at):
    if data.startswith(b"ID3", at) and at + _HEADER <= len(data):
        size = 0
        for seven_bits in data[at + 6 : at + _HEADER]:
            size = size << 7 | seven_bits & 0x7F
        return size + _HEADER * (2 if data[at + 5] & _HAS_FOOTER else 1)
    if data.startswith(b"APETAGEX", at):
        return _APE_HEADER + int.from_bytes(data[at + 12 : at + 16], "little")
    return 128 if data.startswith(b"TAG", at) else 0  # ID3v1
