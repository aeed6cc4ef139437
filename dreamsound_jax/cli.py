"""The command `dreamsound`: its flags. Nothing imports this file."""

import shlex
import sys

from absl import app, flags

from dreamsound_jax import command_line
from dreamsound_jax.errors import UserError

USAGE = """
DreamSound: DeepDream for sound. A network that knows sounds looks at yours and strengthens what it
finds there; then the picture becomes sound again.

  dreamsound                                        noise dreams
  dreamsound --input=my.wav --layers_to_use=relu3_4 your own sound does
  dreamsound --input=my.wav --target_class=organ    ... and moves towards an organ
"""

# What dreams
_INPUT = flags.DEFINE_list(
    "input",
    ["noise"],
    "sounds to dream on: noise, sine, files, folders or patterns like '*.wav', comma-separated",
)
_CLIP_LENGTH = flags.DEFINE_integer(
    "clip_length", 51200, "length of noise and sine in samples; 22050 are one second", lower_bound=1
)
_SINE_FREQ = flags.DEFINE_float("sine_freq", 250.0, "pitch of sine, in Hz")
_SAMPLE_RATE = flags.DEFINE_integer(
    "sample_rate",
    22050,
    "what the networks hear, in Hz; files of any rate are converted, and no other value is taken",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "where the sounds go; by default outputs/N, N the next free number"
)

# What is dreamed of
_MODEL = flags.DEFINE_string(
    "model", "gm", "the network by name: gm (comes along), fma-small, UrbanSounds8k"
)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "a folder with a trained or converted network, in place of --model"
)
_LAYERS = flags.DEFINE_list(
    "layers_to_use",
    ["relu5_4"],
    "layers to excite, comma-separated: from conv1_1 (texture) by relu3_4 (notes, hits) and "
    "relu5_4 (phrases) to output (a class)",
)
_TARGET_CLASS = flags.DEFINE_string(
    "target_class",
    None,
    "the class to dream towards, by name, e.g. organ; uses the layer output unless "
    "--layers_to_use says otherwise",
)
_TARGET_CLASS_INDEX = flags.DEFINE_integer(
    "target_class_index", -1, "the class by number; -1 draws one for each clip", lower_bound=-1
)
_CLASS_OBJECTIVE = flags.DEFINE_enum(
    "class_objective",
    "towards",
    ["towards", "away"],
    "raise the probability of the class, or lower it, as the reference does",
)

# How it dreams
_PYRAMID_SIZE = flags.DEFINE_integer(
    "pyramid_size",
    3,
    "passes from coarse to fine; more reach for larger shapes in the sound",
    lower_bound=1,
)
_PYRAMID_RATIO = flags.DEFINE_float(
    "pyramid_ratio", 2.0, "how many times finer each pass is", lower_bound=1.0
)
_REPLACE_DETAIL = flags.DEFINE_boolean(
    "replace_detail", True, "give the sound its fine detail back after a coarse pass"
)
_DETAIL_FACTOR = flags.DEFINE_float("detail_factor", 1.0, "how much of that detail")
_PYRAMID_ROLL = flags.DEFINE_integer(
    "pyramid_roll",
    20,
    "shift the sound in time before a pass, by up to so many frames (9 ms each), and back after it",
    lower_bound=0,
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations", 10, "steps in each pass; more dream more", lower_bound=1
)
_LR = flags.DEFINE_float(
    "lr", 0.02, "size of a step; larger ones dream more, and rougher", lower_bound=0.0
)
_SMOOTHING = flags.DEFINE_float(
    "smoothing_coefficient",
    0.5,
    "blur of each change; larger ones give broader strokes",
    lower_bound=0.0,
)
_OPTIMIZER = flags.DEFINE_string(
    "optimizer",
    "sgd",
    "how steps are taken: sgd (the reference's), or one of optax's, e.g. adam",
)

# The dream fed back into itself
_CREATE_OUROBOROS = flags.DEFINE_boolean(
    "create_ouroboros", False, "dream on the dream, again and again; not in this version yet"
)
_OUROBOROS_LENGTH = flags.DEFINE_integer("ouroboros_length", 10, "how many dreams")
_OUROBOROS_TRANSFORM = flags.DEFINE_enum(
    "ouroboros_transform",
    "none",
    ["none", "time_stretch", "resample"],
    "what happens to the sound between two dreams",
)
_OUROBOROS_STRETCH = flags.DEFINE_float(
    "ouroboros_stretch", 0.95, "time_stretch: speed of the next sound; under 1 is slower"
)
_OUROBOROS_SR_OFFSET = flags.DEFINE_integer(
    "ouroboros_sr_offset", 500, "resample: Hz added to the sample rate; more is slower and lower"
)
_CROSSFADE = flags.DEFINE_boolean("crossfade", True, "fade each dream into the next")

# How it is run
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "repeats a run exactly; drawn, and written down, if not given",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    1,
    "clips of one length dreamed at once; more is faster on GPU and TPU",
    lower_bound=1,
)
_PRECISION = flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16", "float64"], "of the network's arithmetic"
)
_LOUDNESS = flags.DEFINE_enum(
    "loudness",
    "safe",
    ["safe", "none"],
    "safe: -23 LUFS, peaks under -1 dBTP; none: as it comes, which can be loud",
)


def main(argv):
    """Dreams; returns the exit code."""
    del argv
    try:
        _refuse_ouroboros()
        # Only now: JAX takes its time to import, and --help needs none of it.
        from dreamsound_jax import generate, runtime

        runtime.prepare(precision=_PRECISION.value)
        failed = generate.run(_options(generate), flags_used=_flags_used(), command=_command())
    except UserError as error:
        return _complain(error)
    except KeyboardInterrupt:
        return _complain("stopped; what was finished is kept", code=130)
    return 2 if failed else 0


def _refuse_ouroboros():
    if _CREATE_OUROBOROS.value:
        raise UserError(
            "--create_ouroboros: the ouroboros is not in this version yet; without the flag, each "
            "input dreams once"
        )


def _options(generate):
    return generate.Options(
        inputs=tuple(_INPUT.value),
        clip_length=_CLIP_LENGTH.value,
        sine_freq=_SINE_FREQ.value,
        sample_rate=_SAMPLE_RATE.value,
        output_dir=_OUTPUT_DIR.value,
        model=_MODEL.value,
        checkpoint=_CHECKPOINT.value,
        layers=tuple(_layers()),
        target_class=_TARGET_CLASS.value,
        target_class_index=_TARGET_CLASS_INDEX.value,
        class_objective=_CLASS_OBJECTIVE.value,
        pyramid_size=_PYRAMID_SIZE.value,
        pyramid_ratio=_PYRAMID_RATIO.value,
        replace_detail=_REPLACE_DETAIL.value,
        detail_factor=_DETAIL_FACTOR.value,
        pyramid_roll=_PYRAMID_ROLL.value,
        num_iterations=_NUM_ITERATIONS.value,
        lr=_LR.value,
        smoothing_coefficient=_SMOOTHING.value,
        optimizer=_OPTIMIZER.value,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        precision=_PRECISION.value,
        loudness=_LOUDNESS.value,
    )


def _layers():
    """A class asked for by name means the layer that knows classes, unless layers are named."""
    named = flags.FLAGS["layers_to_use"].present
    return ["output"] if _TARGET_CLASS.value and not named else _LAYERS.value


def _flags_used():
    return {flag.name: flag.value for flag in _our_flags()}


def _command():
    """The command line that repeats this run into a new folder, but for its seed."""
    again = [flag for flag in _our_flags() if flag.value != flag.default]
    words = [flag.serialize() for flag in again if flag.name not in ("seed", "output_dir")]
    return shlex.join(["dreamsound", *words])


def _our_flags():
    return flags.FLAGS.flags_by_module_dict()[__name__]


def _parse(argv):
    try:
        return command_line.parse(argv, module=__name__, usage=USAGE)
    except UserError as error:
        sys.exit(_complain(error))


def _complain(error, *, code=2):
    print(f"dreamsound: {error}", file=sys.stderr)
    return code


def run():
    """The console script."""
    app.run(main, flags_parser=_parse)
