"""The formats in which sounds are written: what each can hold. Nothing heavy is imported."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from dreamsound_jax.system.errors import UserError


class Format(NamedTuple):
    """What a format can hold.

    Attributes:
      name: the name of the format, which is the suffix of its files.
      media_type: for a player.
      bit_depths: what a sample can have, from the fewest bits to the most; none of a lossy format.
      most_channels: the largest number of channels.
      sample_rates: in Hz, all that there are or, as a range, the lowest and the highest.
      most_bytes: the largest size of a file; None if no sound comes close to it.
    """

    name: str
    media_type: str
    bit_depths: tuple[str, ...]
    most_channels: int
    sample_rates: tuple[int, ...] | range
    most_bytes: int | None = None

    @property
    def is_lossy(self) -> bool:
        """Whether what is read back differs from what was written."""
        return not self.bit_depths


_RATES_OF_MP3 = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# libsndfile was tried with these rates; its encoder of Vorbis ends the process at 384 kHz.
_RATES_OF_OGG = range(4000, 192001)
FORMATS = {
    each.name: each
    for each in (
        Format("wav", "audio/wav", ("16", "24", "32f"), 512, range(1, 2**31), 2**32),
        Format("flac", "audio/flac", ("16", "24"), 8, range(1, 655351)),
        Format("ogg", "audio/ogg", (), 2, _RATES_OF_OGG),
        Format("mp3", "audio/mpeg", (), 2, _RATES_OF_MP3),
    )
}
BIT_DEPTHS = FORMATS["wav"].bit_depths
BYTES_PER_SAMPLE = {"16": 2, "24": 3, "32f": 4}


class Encoding(NamedTuple):
    """How a sound is written.

    Attributes:
      format: one of `FORMATS`.
      bit_depth: "16", "24" or "32f"; None for 16 bit, or for 32-bit float if a sound keeps its
        level. A format without so many bits takes the most that it has.
      layout: FFmpeg's name of the layout of more than two channels, such as "5.1"; None for the
        usual layout of so many channels.
      tags: what is written into the file about it, such as its title.
    """

    format: str = "wav"
    bit_depth: str | None = None
    layout: str | None = None
    tags: Mapping[str, str] = {}

    def choose_bit_depth(self, *, keeps_level: bool = False) -> str | None:
        """Returns the bit depth that is written; None for a lossy format.

        Example:
          >>> Encoding("flac").choose_bit_depth(keeps_level=True)
          '24'
        """
        depths = FORMATS[self.format].bit_depths
        if not depths:
            return None
        wanted = self.bit_depth or ("32f" if keeps_level else "16")
        return wanted if wanted in depths else depths[-1]


def find_sound(suffixes: Collection[str]) -> str:
    """Returns the suffix of the dream among those of a clip's files; .wav if there is none.

    Example:
      >>> find_sound([".json", ".input.flac", ".flac"])
      '.flac'
    """
    return next((f".{name}" for name in FORMATS if f".{name}" in suffixes), ".wav")


def check_encoding(format: str, bit_depth: str | None) -> None:
    """Raises UserError if a format does not have the bit depth that is asked for."""
    depths = FORMATS[format].bit_depths
    if bit_depth is None or bit_depth in depths:
        return
    has = f"has {' and '.join(depths)}" if depths else "is lossy, and has none"
    others = [each.name for each in FORMATS.values() if bit_depth in each.bit_depths]
    raise UserError(
        f"--bit_depth={bit_depth} is not for --format={format}, which {has}; "
        f"it is for {' and '.join(others)}"
    )


def check_fits(format: str, *, channels: int, sample_rate: int) -> None:
    """Raises UserError if a format has not so many channels or not this sample rate.

    Example:
      >>> check_fits("mp3", channels=2, sample_rate=44100)
    """
    too_many = channels > FORMATS[format].most_channels
    if not too_many and sample_rate in FORMATS[format].sample_rates:
        return
    fitting = [
        each.name
        for each in FORMATS.values()
        if channels <= each.most_channels and sample_rate in each.sample_rates
    ]
    what = f"{channels} channels" if too_many else f"a sample rate of {sample_rate} Hz"
    raise UserError(f"{format} cannot hold {what}; choose --format={' or '.join(fitting)}")
