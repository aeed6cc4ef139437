"""The options in the section "Inputs and outputs" of the help."""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.audio.formats import BIT_DEPTHS, FORMATS
from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class InputsAndOutputs:
    """What is dreamed on, and what is written."""

    TITLE: ClassVar = "Inputs and outputs"

    input: tuple[str, ...] = option(
        ("drums",),
        "Sounds to dream on: files, folders, patterns such as '*.wav', noise, sine, or drums, a "
        "recording that is included. Separate them by commas. Words that belong to no flag are "
        "inputs, too.",
        role="run",
    )
    output_dir: str | None = option(
        None,
        "Folder for the results. By default outputs/N, where N is the next free number.",
        role="run",
    )
    name: str | None = option(
        None,
        "Names of the clips' files, such as '{input}-{layer}-{seed}', in place of 00000-noise. "
        "Fields: number, input, layer, class, model, preset, strength, seed, domain, and all flags "
        "that can be swept. {number:03} has at least three digits. A number is added to a name "
        "that an earlier clip has.",
        role="run",
    )
    write_input: bool = option(
        True,
        "Beside each dream, write its input at the same loudness, and in the domain sound what the "
        "dream changed, so that the page of clips can switch between them.",
        role="run",
    )
    plots: bool = option(
        True,
        "Draw a picture of each clip, which takes a second or two. With the --output_dir of a run "
        "with --noplots, draws them without dreaming again.",
        role="run",
    )
    video: str | None = option(
        None,
        "Write a video of each clip beside its sound, as NAME.mp4, to be posted: the spectrograms, "
        "a playhead, and the sound; first the input, then the dream. wide, which --video alone "
        "stands for, has 1920 x 1080 pixels, square 1080 x 1080, and upright 1080 x 1920. With the "
        "--output_dir of a run without videos, makes them without dreaming again.",
        role="run",
        choices=("wide", "square", "upright"),
        bare="wide",
    )
    video_growth: bool = option(
        False,
        "In the video of a dream, show and play it after each pass of the pyramid, too, on its way "
        "from the input. An ouroboros always shows its rounds.",
        role="run",
    )
    arrays: bool = option(
        True,
        "Write the spectrograms of each clip, and what the dream changed, to a .npz file.",
        role="run",
    )
    format: str = option(
        "wav",
        "Format of the written sounds. wav and flac lose nothing; ogg (Vorbis) and mp3 are lossy, "
        "and smaller. ogg and mp3 have at most two channels, and mp3 at most 48 kHz.",
        role="data",
        choices=tuple(FORMATS),
    )
    bit_depth: str | None = option(
        None,
        "Bits of each written sample: 16, 24, or 32f for 32-bit float. wav has all of them, flac "
        "16 and 24, ogg and mp3 none. By default that of the input, if it has more than 16: 24 of "
        "an input of 24 or 32 bit, 32f of one in floats, which flac writes with 24; else 16, or "
        "with --loudness=none 32f. Inputs that are generated or lossy count as 16 bit.",
        role="data",
        choices=BIT_DEPTHS,
    )
    loudness: str = option(
        "safe",
        "Loudness of the written sound. safe: -23 LUFS. match: that of the input, which can be "
        "loud. A number from -70 to 0, such as -14, is a loudness in LUFS. Each of these keeps "
        "true peaks under -1 dBTP, limiting them by 12 dB at most. none: keep the level of the "
        "dream, which can be louder still.",
        role="program",
    )
