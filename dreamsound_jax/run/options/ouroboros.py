"""The options in the section "The ouroboros" of the help."""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.defaults import MOST_STEPS
from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class TheOuroboros:
    """The dream that is fed back into itself."""

    TITLE: ClassVar = "The ouroboros"

    create_ouroboros: bool = option(
        False,
        "Feed the dream back into itself, round after round: one long sound that evolves.",
        role="program",
    )
    ouroboros_length: int = option(
        10, "Number of rounds.", role="program", at_least=1, at_most=MOST_STEPS
    )
    ouroboros_transform: tuple[str, ...] = option(
        ("none",),
        "What happens to the sound between two rounds: none, or one or more of time_stretch, "
        "resample, pitch_shift, time_roll and mel_shift, applied one after the other.",
        role="program",
    )
    ouroboros_stretch: float = option(
        0.95,
        "time_stretch: speed of the next round; values under 1 make it slower.",
        role="program",
    )
    ouroboros_sr_offset: int = option(
        500,
        "resample: Hz added to a sample rate of 22050; larger values make it slower and lower.",
        role="program",
    )
    ouroboros_semitones: float = option(
        1.0, "pitch_shift: semitones up in each round.", role="program"
    )
    ouroboros_roll: float = option(
        0.1,
        "time_roll: shift in seconds; what leaves at the end comes in at the beginning.",
        role="program",
    )
    ouroboros_bands: float = option(
        1.0, "mel_shift: mel bands up in each round; below 1 kHz a band is 26 Hz.", role="program"
    )
    crossfade: bool = option(True, "Fade each dream into the next.", role="program")
    stabilise: bool = option(
        True,
        "Keep the levels of each mel band as the first dream left them, and turn each dream away "
        "from what has sounded for some rounds, so that the ouroboros keeps moving. With "
        "--nostabilise, a long ouroboros overcooks: it screeches, or drains to silence.",
        role="program",
    )
    stop_overcooked: float = option(
        0.0,
        "End an ouroboros before the first round whose overcooked index exceeds this many dB; 0 "
        "never ends it.",
        role="program",
        at_least=0.0,
    )
    save_every: float = option(
        10.0,
        "Seconds between two saves of an unfinished ouroboros. The same command with the same "
        "--output_dir resumes it.",
        role="run",
        at_least=0.0,
    )
