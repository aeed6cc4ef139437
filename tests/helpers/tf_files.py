"""Writes checkpoints as TensorFlow does, so that their reader can be tested without it."""

import numpy as np

DTYPE_NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}
MAGIC = bytes.fromhex("57fb808b247547db")


def crc32c(data):
    """Computes the CRC32C of bytes, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data):
    """Returns the checksum of bytes as 4 bytes, in the form that the files hold."""
    crc = crc32c(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def varint(number):
    """Writes an integer as a varint, a negative one as Protobuf does."""
    number, written = number % 2**64, b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def field(number, value):
    """Writes a field of a Protobuf message: an integer, or bytes with their length."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def make_header(*, shards=1, big_endian=0, version=None):
    """Makes the message that describes the whole checkpoint."""
    endianness = field(2, big_endian) if big_endian else b""
    return field(1, shards) + endianness + field(3, version or field(1, 1))


def make_shape(shape):
    """Makes the message that describes a shape."""
    return b"".join(field(2, field(1, length)) for length in shape)


def make_entry(array, offset, *, dtype=None, shape=None, shard=0, size=None, crc=None, extra=b""):
    """Makes the message that describes `array`, unless arguments say otherwise."""
    parts = [
        field(1, DTYPE_NUMBERS[str(array.dtype)] if dtype is None else dtype),
        field(2, make_shape(array.shape) if shape is None else shape),
        field(3, shard) if shard else b"",
        field(4, offset) if offset else b"",
        field(5, array.nbytes if size is None else size),
        varint(6 << 3 | 5) + (masked_crc32c(array.tobytes()) if crc is None else crc),
    ]
    return b"".join(parts) + extra


def make_block(pairs, *, interval=16):
    """Makes the contents of a block. Every 16th key is stored whole, as in LevelDB."""
    block, restarts, previous = b"", [], b""
    for number, (key, value) in enumerate(pairs):
        shared = 0
        if number % interval == 0:
            restarts.append(len(block))
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        lengths = varint(shared) + varint(len(key) - shared) + varint(len(value))
        block, previous = block + lengths + key[shared:] + value, key
    restarts = restarts or [0]
    return block + np.array([*restarts, len(restarts)], "<u4").tobytes()


def make_table(pairs, *, pairs_in_block=5, compression=0, change=lambda contents: contents):
    """Makes an index from its keys and values; `change` is applied to each block's contents."""
    table = b""

    def add_block(contents):
        nonlocal table
        contents = change(contents)
        handle = varint(len(table)) + varint(len(contents))
        ended = contents + bytes([compression])
        table += ended + masked_crc32c(ended)
        return handle

    groups = [pairs[at : at + pairs_in_block] for at in range(0, len(pairs), pairs_in_block)]
    handles = [(group[-1][0], add_block(make_block(group))) for group in groups]
    footer = add_block(make_block([])) + add_block(make_block(handles, interval=1))
    return table + footer.ljust(40, b"\0") + MAGIC


def make_pairs(arrays, *, header=None, entries=None):
    """Makes the keys and values of an index: a header, then an entry for each array.

    Args:
      arrays: {name: array}. Their numbers lie in the data in the order of the names.
      header: the header, if it is not the correct one.
      entries: {name: dict of arguments of `make_entry`} for entries that are not the correct ones;
        "offset" can be among the arguments.
    """
    pairs, offset = [(b"", make_header() if header is None else header)], 0
    for name in sorted(arrays, key=str.encode):
        changes = {"offset": offset, **(entries or {}).get(name, {})}
        pairs.append((name.encode(), make_entry(arrays[name], **changes)))
        offset += arrays[name].nbytes
    return pairs


def write_files(prefix, table, data):
    """Writes the two files of a checkpoint, and returns its prefix."""
    prefix.with_name(f"{prefix.name}.index").write_bytes(table)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return prefix


def make_data(arrays):
    """Makes the contents of the file of numbers."""
    return b"".join(arrays[name].tobytes() for name in sorted(arrays, key=str.encode))


def write_tf_checkpoint(prefix, arrays, *, header=None, entries=None, **table):
    """Writes a checkpoint {name: array} as TensorFlow would, and returns its prefix."""
    pairs = make_pairs(arrays, header=header, entries=entries)
    return write_files(prefix, make_table(pairs, **table), make_data(arrays))
