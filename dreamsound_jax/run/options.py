"""Everything that can be asked of a run, in one dataclass; the flags of the command are made of it.

To add an option, add a field here, and read it in `resolve.py`. Nothing heavy is imported, so that
`--help` answers at once.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dreamsound_jax.audio.formats import BIT_DEPTHS, FORMATS
from dreamsound_jax.run.ranges import expand_ranges

Role = Literal["run", "program", "data"]
"""What an option decides: the whole run; the compiled program of a clip; or only its data."""


NEUTRAL_STRENGTH = 85.0
"""The strength that changes nothing: the other options are as they are."""


# Larger numbers are slips of the finger: they would take all memory, or more than a lifetime.
MOST_CLIPS = 1_000_000
_MOST_AT_ONCE = 65_536
_MOST_STEPS = 1_000_000
_MOST_PASSES = 1_000

# The number of passes by default, if the network has mel bands for them.
MOST_LEVELS = 3


class DomainDefaults(NamedTuple):
    """The defaults of a domain.

    Attributes:
      layer: the layer, unless a target class is named.
      lr: the learning rate.
    """

    layer: str
    lr: float


# Those of mel are the reference's. Those of sound were chosen by docs/first_dream.md.
DOMAIN_DEFAULTS = {"sound": DomainDefaults("relu3_4", 0.08), "mel": DomainDefaults("relu5_4", 0.02)}


def describe_defaults(name: str) -> str:
    """Says a default of each domain, such as "0.08 in the domain sound"."""
    values = ((getattr(each, name), domain) for domain, each in DOMAIN_DEFAULTS.items())
    return " and ".join(f"{value} in the domain {domain}" for value, domain in values)


def option(
    default: Any,
    help: str,
    *,
    role: Role,
    choices: tuple[str, ...] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    bare: str | None = None,
) -> Any:
    """Returns a dataclass field with its help, role, choices and bounds as metadata.

    A value may reach `at_least` and `at_most`, but not `below`. The flag alone, without a value,
    stands for `bare`.
    """
    metadata = {
        "help": help,
        "role": role,
        "choices": choices,
        "at_least": at_least,
        "at_most": at_most,
        "below": below,
        "bare": bare,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Options:
    """What is asked of a run. Every field is a flag of the same name.

    A field of type tuple also takes a list, or a string in place of a tuple of one string; each
    option in `sweep` takes its values in the same way.

    Example:
      >>> Options(layers_to_use="relu3_4", lr=0.04).layers_to_use
      ('relu3_4',)
    """

    # What to dream on, and how far.
    input: tuple[str, ...] = option(
        ("drums",),
        "Sounds to dream on: files, folders, patterns such as '*.wav', noise, sine, or drums, a "
        "recording that is included. Separate them by commas. Words that belong to no flag are "
        "inputs, too.",
        role="run",
    )
    preset: str | None = option(
        None,
        "Name of a preset, which sets other flags; --list_presets describes all of them. Flags "
        "that are given as well win.",
        role="program",
    )
    preview: bool = option(
        False,
        "Dream on the loudest five seconds of each input with every preset, to compare them on one "
        "page, which has the command for the whole input beside each. An ouroboros has 3 rounds. "
        "Flags that are given as well win; --sweep=preset=hits,swells tries only some presets.",
        role="run",
    )
    strength: float | None = option(
        None,
        "How far the dream goes, from 0, the input, to 100, which is 14 dB away from it. Sets "
        "--gain_range, --lr and --num_iterations together, and then brings the dream to the "
        "distance that the strength stands for, whatever its layer, class or preset. Without it, a "
        "dream goes as far as its other flags take it, often to a strength of 70 to 100.",
        role="program",
        at_least=0,
        at_most=100,
    )
    mix: float = option(
        1.0,
        "How much of the dream is in the written sound: 1 is the dream alone, 0.5 is half dream "
        "and half input, 0 is the input.",
        role="data",
        at_least=0.0,
        at_most=1,
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
    num_clips: int | None = option(
        None,
        "Number of clips. By default each input is dreamed once. With more clips than inputs, the "
        "inputs are used in turn, with new random draws each time.",
        role="run",
        at_least=1,
        at_most=MOST_CLIPS,
    )
    first_draw: int = option(
        0,
        "Number of the random draw of the first input. The inputs of a run have the draws 0, 1, 2 "
        "and so on; with its seed and its draw, a clip is made again alone. The commands on the "
        "page of clips give both.",
        role="run",
        at_least=0,
        at_most=2**31 - 1,
    )
    sweep: Mapping[str, tuple] = option(
        {},
        "A flag and its values, such as lr=0.01,0.02: one clip for each value. Give it again for "
        "another flag, and there is one clip for each combination. Join layers that dream together "
        "by +, as in layers_to_use=relu3_4,relu4_4+relu5_4.",
        role="run",
    )
    lengths: str = option(
        "exact",
        "exact: keep each file's length; each new length takes extra time to compile. buckets: pad "
        "files with a little silence to a few lengths (at most 8 per octave), and trim the dreams.",
        role="run",
        choices=("exact", "buckets"),
    )
    clip_length: int = option(
        51200,
        "Length of noise and sine in samples; 22050 samples are one second.",
        role="data",
        at_least=1,
    )
    sine_freq: float = option(250.0, "Frequency of sine in Hz.", role="data")
    sample_rate: int | None = option(
        None,
        "Sample rate of the network in Hz. Leave it out: files of any rate are resampled.",
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

    # What to dream of.
    model: str = option(
        "gm", "Name of the network; --list_models shows all of them.", role="program"
    )
    checkpoint: str | None = option(
        None, "Folder of a trained or converted network, instead of --model.", role="run"
    )
    layers_to_use: tuple[str, ...] | None = option(
        None,
        "Layers whose response is strengthened, separated by commas. By default "
        f"{describe_defaults('layer')} of the network gm, that of the model card for others, and "
        "output if a target class is named. Shallow layers respond to texture "
        "(conv1_1), deeper ones to notes and hits (relu3_4) and to phrases (relu5_4); output "
        "responds to a class. In an ouroboros, iterate dreams with another layer in each round, "
        "from output back to conv1_1. --list_models shows the layers of each network.",
        role="program",
    )
    target_class: str | None = option(
        None,
        "Name of the class to dream towards, such as organ; many other words are understood, such "
        "as flute. Uses the layer output unless --layers_to_use is given.",
        role="data",
    )
    target_class_index: int = option(
        -1,
        "Index of the class to dream towards; -1 draws a class for each clip.",
        role="data",
        at_least=-1,
    )
    class_objective: str = option(
        "towards",
        "towards: raise the probability of the class. away: lower it, as the original DreamSound "
        "does.",
        role="data",
        choices=("towards", "away"),
    )

    objective: str | None = option(
        None,
        "What is raised, as a sum of terms, such as 'channel(relu3_4, 17) + 0.5*guide(relu4_4, "
        "birds.wav) - 0.1*total_variation()', in place of --layers_to_use and --target_class. "
        "The name of a layer or a class alone is a term, too. Terms: layer, channel, neuron, "
        "direction, probability, logit, margin, guide, features, diversity, total_variation, "
        "stay_near, keep_spectrum; docs/objectives.md explains them. "
        "With a range, as in channel(relu3_4, 0:64), there is one clip for each number.",
        role="program",
    )

    interpolate: str | None = option(
        None,
        "Objectives that fade into each other, with > between them, such as 'relu2_2 > relu5_4' or "
        "'organ > pipe', or of terms as in --objective, in whose place it stands. They fade along "
        "the clip, or in an ouroboros from round to round. The gradient of each counts as much as "
        "its share says, whatever its size. "
        "With --loop, the last also fades into the first along the clip.",
        role="program",
    )

    # Where to dream.
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

    # How to dream.
    domain: str = option(
        "sound",
        "sound: turn parts of the recording up and down, in time and frequency; its sample rate "
        "and its channels stay. mel: edit the mel spectrogram and make a new mono sound from it, "
        "as the original DreamSound does.",
        role="program",
        choices=("sound", "mel"),
    )
    gain_range: float = option(
        24.0,
        "In the domain sound: the largest gain on any part of the sound, up or down, in dB.",
        role="data",
        at_least=0.0,
    )
    pyramid_size: int | None = option(
        None,
        "Number of passes, from coarse to fine. More passes change longer and broader structures. "
        f"By default {MOST_LEVELS}, or fewer if the layer needs more mel bands than the coarsest "
        "pass would have.",
        role="program",
        at_least=1,
        at_most=_MOST_PASSES,
    )
    pyramid_ratio: float = option(
        2.0, "How many times finer each pass is than the one before.", role="program", at_least=1.0
    )
    replace_detail: bool = option(
        True,
        "Restore the fine detail that a coarse pass removed from the spectrogram. The domain sound "
        "always keeps it.",
        role="program",
    )
    detail_factor: float = option(1.0, "How much of that detail is restored.", role="data")
    pyramid_roll: int = option(
        20,
        "Before each pass, shift the sound in time by up to this many frames of 9 ms, and shift it "
        "back afterwards.",
        role="data",
        at_least=0,
        at_most=_MOST_STEPS,
    )
    num_iterations: int = option(
        10,
        "Steps in each pass. More steps dream further.",
        role="program",
        at_least=1,
        at_most=_MOST_STEPS,
    )
    lr: float | None = option(
        None,
        "Learning rate: the size of a step. Larger steps dream further, and more roughly. By "
        f"default {describe_defaults('lr')}.",
        role="data",
        at_least=0.0,
    )
    smoothing_coefficient: float = option(
        0.5,
        "Blur of the gradient. Larger values give broader strokes.",
        role="data",
        at_least=0.0,
    )
    views: int = option(
        1,
        "Number of views of each step: the gradient is averaged over so many slightly changed "
        "copies of the spectrogram, each by up to --jitter_time, --jitter_pitch, --jitter_gain and "
        "--jitter_noise. A dream takes about so many times as long.",
        role="program",
        at_least=1,
        at_most=_MOST_AT_ONCE,
    )
    jitter_time: float = option(
        0.0,
        "How far a view is rolled in time, at most, in frames of 9 ms. With --views over 1 and no "
        "jitter at all, views differ by 8 frames, 1 mel band, 3 dB, and noise of 0.1.",
        role="program",
        at_least=0.0,
    )
    jitter_pitch: float = option(
        0.0,
        "How far a view is shifted in pitch, at most, in mel bands.",
        role="program",
        at_least=0.0,
    )
    jitter_gain: float = option(
        0.0, "How much louder or quieter a view is, at most, in dB.", role="program", at_least=0.0
    )
    jitter_noise: float = option(
        0.0,
        "How much noise a view has, in standard deviations of the network's spectrograms.",
        role="program",
        at_least=0.0,
    )
    optimizer: str = option(
        "sgd",
        "How steps are taken: sgd (plain ascent, as in the reference) or another of optax's "
        "optimizers, such as adam. lbfgs runs a line search, and every evaluation of the objective "
        "counts as a step.",
        role="program",
    )
    momentum: float | None = option(
        None,
        "Momentum coefficient (momentum, nesterov, lars, sm3).",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    b1: float | None = option(
        None,
        "Adam family: decay rate of the first moment.",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    b2: float | None = option(
        None,
        "Adam family: decay rate of the second moment.",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    eps: float | None = option(
        None,
        "Adam family: a small constant added to the denominator of a step.",
        role="data",
        at_least=0.0,
    )
    weight_decay: float | None = option(
        None,
        "Weight decay: each step also pulls the gain, or the standardised spectrogram, towards "
        "zero (adamw and others).",
        role="data",
        at_least=0.0,
    )
    optimizer_state: str = option(
        "restart",
        "What happens to the optimizer's state at the next pass: restart it, or carry it over, "
        "resized.",
        role="data",
        choices=("restart", "carry"),
    )
    smooth_gradient: bool = option(
        True, "Blur the gradient of each step, less at first and more later.", role="data"
    )
    standardise_gradient: bool = option(
        True,
        "Normalise the gradient to zero mean and unit variance. Without it, --lr must be far "
        "larger, such as 5000.",
        role="data",
    )

    loop: bool = option(
        False,
        "The sound is a loop, as samplers play it: its end runs into its beginning. Dreams it as "
        "if it were repeated for ever, so that the dream is a loop of the same length, without a "
        "seam. Where the input itself jumps from its end to its beginning, so does the dream. In "
        "an ouroboros, each round is a loop.",
        role="program",
    )

    # The dream fed back into itself.
    create_ouroboros: bool = option(
        False,
        "Feed the dream back into itself, round after round: one long sound that evolves.",
        role="program",
    )
    ouroboros_length: int = option(
        10, "Number of rounds.", role="program", at_least=1, at_most=_MOST_STEPS
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

    # How to run.
    seed: int | None = option(
        None,
        "Random seed; the same seed repeats a run exactly. By default it is drawn, and written to "
        "params.json.",
        role="data",
        at_least=0,
        at_most=2**31 - 1,
    )
    batch_size: int = option(
        1,
        "Number of clips of one length that are dreamed at once, in one compiled program.",
        role="run",
        at_least=1,
        at_most=_MOST_AT_ONCE,
    )
    precision: str = option(
        "float32",
        "float32, bfloat16 or float64: the precision of the network's arithmetic.",
        role="run",
        choices=("float32", "bfloat16", "float64"),
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
    write_input: bool = option(
        True,
        "Beside each dream, write its input at the same loudness, and in the domain sound what the "
        "dream changed, so that the page of clips can switch between them.",
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

    def __post_init__(self):
        """Makes tuples of the strings and lists that are given in their place."""
        for name in FIELDS:
            if value_type(name) is tuple:
                object.__setattr__(self, name, _as_tuple(getattr(self, name)))
        for name in ("time", "frequency"):
            object.__setattr__(self, name, _type_pairs(getattr(self, name)))
        if isinstance(self.sweep, Mapping):
            swept = {name: _swept_values(name, values) for name, values in self.sweep.items()}
            object.__setattr__(self, "sweep", swept)
            self._sweep_ranges()

    def _sweep_ranges(self):
        """Sweeps over the objectives that ranges in an objective stand for."""
        swept = self.sweep.get("objective", ())
        if self.objective and swept:
            return  # This is one clip of a sweep, whose ranges are swept already.
        asked = [self.objective] if self.objective and not swept else list(swept)
        if not all(isinstance(text, str) for text in asked):
            return
        found = tuple(each for text in asked for each in expand_ranges(text))
        if list(found) == asked:
            return
        object.__setattr__(self, "objective", None)
        object.__setattr__(self, "sweep", {**self.sweep, "objective": found})


def _as_tuple(value: Any) -> Any:
    """Returns a string as a tuple of one, a list as a tuple, and any other value as it is."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _type_pairs(ranges: Any) -> Any:
    """Returns ranges with each pair of numbers as it is typed, and all else as it is."""
    if not isinstance(ranges, tuple):
        return ranges
    return tuple(f"{each[0]}:{each[1]}" if _is_pair(each) else each for each in ranges)


def _is_pair(value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and len(value) == 2
    return numbers and all(isinstance(each, int | float) for each in value)


def _swept_values(name: str, values: Any) -> Any:
    """Returns the values of a swept option as a tuple; values of some options are tuples, too."""
    values = _as_tuple(values)
    if isinstance(values, tuple) and name in FIELDS and value_type(name) is tuple:
        return tuple(map(_as_tuple, values))
    return values


FIELDS = {field.name: field for field in dataclasses.fields(Options)}

SWEEPABLE = tuple(name for name, field in FIELDS.items() if field.metadata["role"] != "run")
"""The options that may differ from clip to clip."""

RESUMABLE_WITH_OTHER = ("output_dir", "save_every")
"""The options that may change when a stopped run is resumed."""

MAY_BE_ADDED = ("video", "plots")
"""The options that may be given when a run is resumed without them, even one that is done."""


def value_type(name: str) -> Any:
    """Returns the type of an option's value without None: int, float, bool, str or tuple."""
    annotation = FIELDS[name].type
    if isinstance(annotation, types.UnionType):
        (annotation,) = (each for each in typing.get_args(annotation) if each is not type(None))
    return typing.get_origin(annotation) or annotation
