"""Mutates the bytes of a file, as damage, carelessness and malice do."""

import numpy as np

# Numbers that sizes and counts are replaced by.
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_TEXTS = (
    *(b"null", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"true", b"99999999999999999999"),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n\n",
        b"\x00",
        b"\xc2\x85",
        b"../../x",
        b"[" * 9999,
    ),
)


def mutate(rng: np.random.Generator, content: bytes) -> bytes:
    """Applies one to four random mutations to the content of a file."""
    for _ in range(rng.integers(1, 5)):
        content = _MUTATIONS[rng.integers(len(_MUTATIONS))](rng, content)
    return content


def _flip_bits(rng, content):
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        if damaged:
            damaged[_draw_place(rng, damaged)] ^= 1 << rng.integers(8)
    return bytes(damaged)


def _cut(rng, content):
    return content[: _draw_place(rng, content)]


def _remove(rng, content):
    place = _draw_place(rng, content)
    return content[:place] + content[place + int(rng.integers(1, 65)) :]


def _repeat(rng, content):
    place = _draw_place(rng, content)
    return (
        content[:place] + content[place : place + 64] * int(rng.integers(2, 50)) + content[place:]
    )


def _insert_noise(rng, content):
    place = _draw_place(rng, content)
    return content[:place] + rng.bytes(rng.integers(1, 65)) + content[place:]


def _insert_text(rng, content):
    place = _draw_place(rng, content)
    text = _TEXTS[rng.integers(len(_TEXTS))]
    replaced = len(text) if rng.integers(2) else 0
    return content[:place] + text + content[place + replaced :]


def _replace_number(rng, content):
    place, size = _draw_place(rng, content), int(2 ** rng.integers(4))
    number = _NUMBERS[rng.integers(len(_NUMBERS))] % 256**size
    order = "little" if rng.integers(2) else "big"
    return content[:place] + number.to_bytes(size, order) + content[place + size :]


def _draw_place(rng, content):
    """Draws a place in a file, half of them in its first 256 bytes, where headers are."""
    return int(rng.integers(max(1, min(len(content), 256) if rng.integers(2) else len(content))))


_MUTATIONS = (*(_flip_bits, _cut, _remove, _repeat, _insert_noise, _insert_text, _replace_number),)
