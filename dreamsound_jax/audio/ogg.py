"""The pages of Ogg files (RFC 3533): where joined files begin, and whether the last page is there.

FFmpeg and libsndfile stop at a joined file, or run the two together.
"""

_MOST_LINKS = 1000  # What is joined more often was made to take long, and is not taken apart.
_BEGINS, _ENDS = 2, 4  # Flags of a page: the first and the last of its stream.


def split_chained(data: bytes) -> list[bytes]:
    """Splits files of Ogg that were joined; returns [data] of one file.

    Streams that are multiplexed, such as sound and video, begin with their first pages one after
    the other, and stay together.
    """
    starts: list[int] = []
    at, began = data.find(b"OggS"), False
    while at >= 0 and len(starts) < _MOST_LINKS:
        begins = bool(data[at + 5 : at + 6]) and bool(data[at + 5] & _BEGINS)
        if begins and not began:
            starts.append(at)
        began = begins
        at = data.find(b"OggS", max(at + 4, _end_of_page(data, at)))
    return [data[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], len(data)])]


def has_last_page(data: bytes) -> bool:
    """Returns whether the last page is whole and marked as the last of its stream."""
    at = data.rfind(b"OggS")
    page = data[at:] if at >= 0 else b""
    return len(page) > 27 and bool(page[5] & _ENDS) and _end_of_page(page, 0) <= len(page)


def _end_of_page(data, at):
    segments = data[at + 26] if at + 26 < len(data) else 0
    return at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
