"""Computes CRC32C, the checksum of TensorFlow's files, with NumPy."""

import numpy as np

POLYNOMIAL = 0x82F63B78
# These bytes bring the register from 0 to 0xFFFFFFFF, the value that CRC32C starts with.
PREFIX = bytes.fromhex("54641f64")
BITS = np.arange(32, dtype=np.uint32)


def _make_table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1)
    return table


TABLE = _make_table()


def compute_crc32c(data: bytes | np.ndarray) -> int:
    """Computes the CRC32C of bytes, or of a one-dimensional array of uint8.

    The data is cut into lanes of the same length, which one loop reads together. The registers of
    neighbors are then combined until one is left.
    """
    message = np.concatenate([np.frombuffer(part, np.uint8) for part in (PREFIX, data)])
    lanes = 2 ** (len(message).bit_length() // 2)
    length = -(-len(message) // lanes)
    # A register that is 0 stays 0 while it reads zeros, so zeros can precede the message. 32 more
    # lanes start from one bit each and read only zeros, which shows what zeros do to a register.
    pieces = np.zeros((lanes + 32, length), np.uint8)
    pieces[:lanes].reshape(-1)[lanes * length - len(message) :] = message
    registers = np.zeros(lanes + 32, np.uint32)
    registers[lanes:] = 1 << BITS
    for column in np.ascontiguousarray(pieces.T):
        registers = TABLE[(registers ^ column) & 255] ^ (registers >> 8)
    registers, images = registers[:lanes], registers[lanes:]
    while len(registers) > 1:
        registers = _read_zeros(registers[::2], images) ^ registers[1::2]
        images = _read_zeros(images, images)  # The images now stand for twice as many zeros.
    return int(registers[0]) ^ 0xFFFFFFFF


def mask_crc32c(crc: int) -> int:
    """Returns the form in which TensorFlow stores a checksum: rotated, and a constant added."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _read_zeros(registers, images):
    """Returns the registers after a number of zeros, given the images of the 32 bits."""
    is_set = (registers[:, None] >> BITS) & 1 == 1
    return np.bitwise_xor.reduce(np.where(is_set, images, np.uint32(0)), axis=1)
