"""A soundfont with one preset of one instrument, which plays one short sample."""

import struct

import numpy as np

_RATE = 22050
_SAMPLES = 2000
_REST = 46  # samples of silence that must follow each sample
_INSTRUMENT, _SAMPLE_ID = 41, 53  # what these generators set


def make_soundfont() -> bytes:
    """Returns the content of a soundfont, an .sf2 file."""
    wave = 20000 * np.sin(2 * np.pi * 440 / _RATE * np.arange(_SAMPLES))
    samples = np.concatenate([wave, np.zeros(_REST)]).astype("<i2").tobytes()
    info = [(b"ifil", struct.pack("<2H", 2, 1)), (b"isng", b"EMU8000\0"), (b"INAM", b"tiny\0\0")]
    lists = {
        b"INFO": [*info, (b"ICOP", b"CC0\0")],
        b"sdta": [(b"smpl", samples)],
        b"pdta": _describe_presets(),
    }
    content = b"".join(
        _chunk(b"LIST", kind + b"".join(_chunk(*each) for each in chunks))
        for kind, chunks in lists.items()
    )
    return _chunk(b"RIFF", b"sfbk" + content)


def _describe_presets():
    """Returns the nine tables; each ends with a record that only says where the last one ends."""
    bags, ends = struct.pack("<4H", 0, 0, 1, 0), bytes(4)
    preset = struct.pack("<20s3H3I", b"tone", 0, 0, 0, 0, 0, 0)
    last_preset = struct.pack("<20s3H3I", b"EOP", 0, 0, 1, 0, 0, 0)
    instruments = struct.pack("<20sH", b"tone", 0) + struct.pack("<20sH", b"EOI", 1)
    places = (0, _SAMPLES, 8, _SAMPLES - 8, _RATE)
    sample = struct.pack("<20s5IBbHH", b"sine", *places, 69, 0, 0, 1)
    last_sample = struct.pack("<20s5IBbHH", b"EOS", *bytes(5), 0, 0, 0, 0)
    return [
        (b"phdr", preset + last_preset),
        (b"pbag", bags),
        (b"pmod", bytes(10)),
        (b"pgen", struct.pack("<2H", _INSTRUMENT, 0) + ends),
        (b"inst", instruments),
        (b"ibag", bags),
        (b"imod", bytes(10)),
        (b"igen", struct.pack("<2H", _SAMPLE_ID, 0) + ends),
        (b"shdr", sample + last_sample),
    ]


def _chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
