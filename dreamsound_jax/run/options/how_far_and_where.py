"""The options in the section "How far, and where" of the help."""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class HowFarAndWhere:
    """The distance of a dream, and its ranges of time and frequency."""

    TITLE: ClassVar = "How far, and where"

    strength: float | None = option(
        None,
        "How far the dream goes, from 0, the input, to 100, which is 14 dB away from it. Sets "
        "--gain_range, --lr and --num_iterations together, and then brings the dream to the "
        "distance that the strength stands for, whatever its layer, class or preset. In the domain "
        "mel, that is the distance of the spectrogram. The rounds of an ouroboros take the "
        "settings only. Without --strength, a dream goes as far as its other flags take it, often "
        "to a strength of 70 to 100.",
        role="program",
        at_least=0,
        at_most=100,
    )
    amount: float = option(
        1.0,
        "How much of the finished dream is kept, from 0 to 1. In the domain sound, the gain in dB "
        "is so many times as large; in the domain mel, dream and input are mixed as by --mix.",
        role="data",
        at_least=0.0,
        at_most=1,
    )
    until: float | None = option(
        None,
        "Stops a clip in each pass as soon as it is this many dB away from its input, as that pass "
        "measures it; the finished dream can be a dB or two farther. Unlike --strength, it never "
        "makes a dream larger.",
        role="program",
        at_least=0.0,
    )
    mix: float = option(
        1.0,
        "How much of the dream is in the written sound: 1 is the dream alone, 0.5 is half dream "
        "and half input, 0 is the input.",
        role="data",
        at_least=0.0,
        at_most=1,
    )
    gain_range: float = option(
        24.0,
        "In the domain sound: the largest gain on any part of the sound, up or down, in dB.",
        role="data",
        at_least=0.0,
    )
    time: tuple[str, ...] | None = option(
        None,
        "Dream only within these ranges of time, in seconds, such as 0.5:1.2 or 0.5:1.2,2:. The "
        "dream fades in and out within 50 ms inside each range. In the domain sound, the sound "
        "outside is that of the input, bit for bit with --loudness=none. A --strength is still the "
        "distance of the whole clip. Not for an ouroboros.",
        role="data",
    )
    frequency: tuple[str, ...] | None = option(
        None,
        "Dream only within these ranges of frequency, in Hz, such as 200:2000 or :300,4000:. The "
        "dream fades in and out within a third of an octave inside each range. With --time, it "
        "happens where both allow it. Not for an ouroboros.",
        role="data",
    )
    mask: str | None = option(
        None,
        "A .npy file that says how much of the dream each cell of the spectrogram takes, from 0 to "
        "1, as an array (mel bands, frames) of the shape of mel_db in the .npz of a dream. It is "
        "multiplied with what --time and --frequency say. Not for an ouroboros.",
        role="data",
    )
