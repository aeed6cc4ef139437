"""Reads the table that TensorFlow keeps a checkpoint's index in, and the messages in the table.

The table has LevelDB's format: blocks of sorted keys and their values, then a block that lists the
blocks, then a footer. Whatever is wrong in the bytes raises ValueError, which says what it is.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dreamsound_jax.weights.crc32c import compute_crc32c, mask_crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER_BYTES = 48
TRAILER_BYTES = 5  # The kind of compression, and a checksum.
MAX_KEY_BYTES = 1024  # Keys share their beginnings, so a small table can hold many long keys.
VARINT, BYTES, FIXED32 = 0, 2, 5  # Protobuf's wire types.


class Handle(NamedTuple):
    """The place of a block in the file, in bytes. Its trailer comes after its size."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size + TRAILER_BYTES


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a table in the order of the keys.

    Every byte of the table is verified: the blocks by their checksums, the footer by their places.

    Args:
      data: the whole file, which ends with `MAGIC`.

    Raises:
      ValueError: the table is damaged or is compressed.
    """
    metaindex, index = _read_footer(data)
    blocks = [_decode_handles(value, 1)[0] for _, value in _read_block(data, index)]
    end = 0
    for handle in (*blocks, metaindex, index):
        if handle.offset != end:
            raise ValueError(f"a block must start at byte {end}, not {handle.offset}")
        end = handle.end
    if list(_read_block(data, metaindex)):
        raise ValueError("it has a filter, which TensorFlow never writes")
    previous = None
    for handle in blocks:
        for key, value in _read_block(data, handle):
            if previous is not None and key <= previous:
                raise ValueError(f"the name {ascii(key)[2:-1][:60]} comes twice or out of order")
            yield key, value
            previous = key


def read_message(data: bytes, wire_types: Mapping[int, int]) -> dict[int, list]:
    """Reads a Protobuf message into {number of a field: list of integers or bytes}.

    Args:
      data: the message.
      wire_types: {number of a field: `VARINT`, `BYTES` or `FIXED32`}.

    Raises:
      ValueError: the message is damaged or has another field.
    """
    fields: dict[int, list] = {number: [] for number in wire_types}
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_types.get(number) != wire_type:
            raise ValueError(f"an entry has the unknown field {number}")
        if wire_type == VARINT:
            value, position = _read_varint(data, position)
        else:
            size, position = (4, position) if wire_type == FIXED32 else _read_varint(data, position)
            value, position = _slice(data, position, size), position + size
        fields[number].append(int.from_bytes(value, "little") if wire_type == FIXED32 else value)
    return fields


def _read_footer(data):
    """Returns the handles of the block about the table, which is empty, and of the list."""
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
        raise ValueError("it must end with the footer of a TensorFlow checkpoint's index")
    metaindex, index = _decode_handles(footer[: -len(MAGIC)].rstrip(b"\0"), 2)
    if index.end != len(data) - FOOTER_BYTES:
        raise ValueError(f"it must have {index.end + FOOTER_BYTES} bytes, not {len(data)}")
    return metaindex, index


def _decode_handles(data, count):
    numbers, position = [], 0
    for _ in range(2 * count):
        number, position = _read_varint(data, position)
        numbers.append(number)
    if position != len(data):
        raise ValueError("the place of a block must be two numbers")
    return [Handle(*numbers[start : start + 2]) for start in range(0, 2 * count, 2)]


def _read_block(data, handle):
    """Yields the keys and values of a block, after its checksum was verified."""
    block = _slice(data, handle.offset, handle.size + TRAILER_BYTES)
    checksum = int.from_bytes(block[-4:], "little")
    if checksum != mask_crc32c(compute_crc32c(block[:-4])):
        raise ValueError(f"the checksum of the block at byte {handle.offset} is wrong")
    if block[-5]:
        raise ValueError(f"it is compressed (kind {block[-5]}), but must be uncompressed")
    yield from _read_entries(_cut_restarts(block[:-TRAILER_BYTES]))


def _cut_restarts(block):
    """Returns the block without the list of the places where keys are stored whole."""
    count = int.from_bytes(_slice(block, max(len(block) - 4, 0), 4), "little")
    if 4 * (count + 1) > len(block):
        raise ValueError("a block must be longer than its list of restarts")
    return block[: len(block) - 4 * (count + 1)]


def _read_entries(block):
    position, key = 0, b""
    while position < len(block):
        shared, position = _read_varint(block, position)
        unshared, position = _read_varint(block, position)
        size, position = _read_varint(block, position)
        if shared > len(key) or shared + unshared > MAX_KEY_BYTES:
            raise ValueError(
                f"a name is longer than {MAX_KEY_BYTES} bytes, or its start is missing"
            )
        key = key[:shared] + _slice(block, position, unshared)
        yield key, _slice(block, position + unshared, size)
        position += unshared + size


def _read_varint(data, position):
    """Returns (the number that starts at `position`, where it ends)."""
    number = 0
    for count, byte in enumerate(data[position : position + 10]):
        number |= (byte & 127) << 7 * count
        if byte < 128 and number < 2**64:
            return number, position + count + 1
    raise ValueError("a number is cut short or too large")


def _slice(data, start, size):
    if start + size > len(data):
        raise ValueError("a part of it reaches beyond its end")
    return data[start : start + size]
