"""The command `dreamsound`: its flags. Scripts that dream import it, to have them, too."""

import itertools
import shlex
from dataclasses import fields, replace

from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system.errors import nearest_or_fail

USAGE = """
DreamSound: DeepDream for sound. A network that knows sounds looks at yours and strengthens what it
finds there; then the picture becomes sound again.

  dreamsound                                        noise dreams
  dreamsound --input=my.wav --layers_to_use=relu3_4 your own sound does
  dreamsound --input=my.wav --target_class=organ    ... and moves towards an organ
  dreamsound --create_ouroboros                     the dream dreams on, ten times
"""

OF_THIS_TIME = ("seed", "output_dir", "distributed")
OF_THIS_TIME += ("coordinator_address", "num_processes", "process_id")

# What dreams
flags.DEFINE_list(
    "input",
    ["noise"],
    "sounds to dream on: noise, sine, files, folders or patterns like '*.wav', comma-separated",
)
flags.DEFINE_integer(
    "num_clips",
    None,
    "how many clips; the inputs are dreamed on again and again, each time otherwise",
    lower_bound=1,
)
flags.DEFINE_multi_string(
    "sweep",
    [],
    "a flag and its values, e.g. lr=0.01,0.02: a clip for each; again for another flag, and there "
    "is one for each combination; layers that dream together are joined by +",
)
flags.DEFINE_enum(
    "lengths",
    "exact",
    ["exact", "buckets"],
    "of files, each of which is compiled for; buckets: silence is put behind them, and cut off in "
    "the end, so that few occur",
)
flags.DEFINE_integer(
    "clip_length", 51200, "length of noise and sine in samples; 22050 are one second", lower_bound=1
)
flags.DEFINE_float("sine_freq", 250.0, "pitch of sine, in Hz")
flags.DEFINE_integer(
    "sample_rate",
    22050,
    "what the networks hear, in Hz; files of any rate are converted, and no other value is taken",
)
flags.DEFINE_string(
    "output_dir", None, "where the sounds go; by default outputs/N, N the next free number"
)

# What is dreamed of
flags.DEFINE_string(
    "model", "gm", "the network by name: gm (comes along), fma-small, UrbanSounds8k"
)
flags.DEFINE_boolean(
    "list_models", False, "show the networks: their classes, where they are, their layers"
)
flags.DEFINE_string(
    "checkpoint", None, "a folder with a trained or converted network, in place of --model"
)
flags.DEFINE_list(
    "layers_to_use",
    ["relu5_4"],
    "layers to excite, comma-separated: from conv1_1 (texture) by relu3_4 (notes, hits) and "
    "relu5_4 (phrases) to output (a class); iterate: in an ouroboros, each round by another one, "
    "from output back to conv1_1",
)
flags.DEFINE_string(
    "target_class",
    None,
    "the class to dream towards, by name, e.g. organ; uses the layer output unless "
    "--layers_to_use says otherwise",
)
flags.DEFINE_integer(
    "target_class_index", -1, "the class by number; -1 draws one for each clip", lower_bound=-1
)
flags.DEFINE_enum(
    "class_objective",
    "towards",
    ["towards", "away"],
    "raise the probability of the class, or lower it, as the reference does",
)

# How it dreams
flags.DEFINE_enum(
    "domain",
    "sound",
    ["sound", "mel"],
    "sound: turn parts of the sound itself up and down, at its own rate, in stereo if it is; mel: "
    "repaint its spectrogram and make a new sound of that, as the reference does",
)
flags.DEFINE_float(
    "gain_range",
    24.0,
    "domain sound: how far any part of the sound may be turned up or down, in dB",
    lower_bound=0.0,
)
flags.DEFINE_integer(
    "pyramid_size",
    3,
    "passes from coarse to fine; more reach for larger shapes in the sound",
    lower_bound=1,
)
flags.DEFINE_float("pyramid_ratio", 2.0, "how many times finer each pass is", lower_bound=1.0)
flags.DEFINE_boolean(
    "replace_detail",
    True,
    "give the spectrogram its fine detail back after a coarse pass (the domain sound keeps it)",
)
flags.DEFINE_float("detail_factor", 1.0, "how much of that detail")
flags.DEFINE_integer(
    "pyramid_roll",
    20,
    "shift the sound in time before a pass, by up to so many frames (9 ms each), and back after it",
    lower_bound=0,
)
flags.DEFINE_integer("num_iterations", 10, "steps in each pass; more dream more", lower_bound=1)
flags.DEFINE_float(
    "lr", 0.02, "size of a step; larger ones dream more, and rougher", lower_bound=0.0
)
flags.DEFINE_float(
    "smoothing_coefficient",
    0.5,
    "blur of each change; larger ones give broader strokes",
    lower_bound=0.0,
)
flags.DEFINE_string(
    "optimizer",
    "sgd",
    "how steps are taken: sgd (the reference's), or one of optax's, e.g. adam; lbfgs looks around "
    "before a step, and each look counts as one",
)
flags.DEFINE_float("momentum", None, "of momentum, nesterov, lars and sm3: how long steps go on")
flags.DEFINE_float("b1", None, "of adam and its kin: how slowly the mean gradient follows")
flags.DEFINE_float("b2", None, "of adam and its kin: how slowly the mean square follows")
flags.DEFINE_float("eps", None, "of adam and its kin: keeps small gradients small", lower_bound=0.0)
flags.DEFINE_float(
    "weight_decay", None, "of adamw and others: pull towards the middle, each step", lower_bound=0.0
)
flags.DEFINE_enum(
    "optimizer_state",
    "restart",
    ["restart", "carry"],
    "what an optimizer remembers at the next pass: nothing, or all, resized",
)
flags.DEFINE_boolean("smooth_gradient", True, "blur each step, less at first and more later")
flags.DEFINE_boolean(
    "standardise_gradient", True, "make each step as large as any other; without it, --lr must grow"
)

# The dream fed back into itself
flags.DEFINE_boolean(
    "create_ouroboros", False, "dream on the dream, again and again: one long sound that evolves"
)
flags.DEFINE_integer("ouroboros_length", 10, "how many dreams", lower_bound=1)
flags.DEFINE_list(
    "ouroboros_transform",
    ["none"],
    "what happens to the sound between two dreams: none, or, one after the other, any of "
    "time_stretch, resample, pitch_shift, time_roll, mel_shift",
)
flags.DEFINE_float(
    "ouroboros_stretch", 0.95, "time_stretch: speed of the next sound; under 1 is slower"
)
flags.DEFINE_integer(
    "ouroboros_sr_offset", 500, "resample: Hz added to the sample rate; more is slower and lower"
)
flags.DEFINE_float("ouroboros_semitones", 1.0, "pitch_shift: how far up, each time")
flags.DEFINE_float(
    "ouroboros_roll", 0.1, "time_roll: seconds; what leaves at the end comes in again"
)
flags.DEFINE_float("ouroboros_bands", 1.0, "mel_shift: mel bands up, 26 Hz each below 1 kHz")
flags.DEFINE_boolean("crossfade", True, "fade each dream into the next")
flags.DEFINE_boolean(
    "stabilise",
    True,
    "keep how loud each mel band is, and how much it varies, as in the first dream: without it, "
    "long ouroboroses overcook: they screech, or drain to silence",
)
flags.DEFINE_float(
    "stop_overcooked",
    0.0,
    "end an ouroboros before the round whose overcooked index passes so many dB; 0: never",
    lower_bound=0.0,
)
flags.DEFINE_float(
    "save_every",
    10.0,
    "seconds from one saving of an unfinished ouroboros to the next; the same command with the "
    "same --output_dir goes on from there",
    lower_bound=0.0,
)

# How it is run
flags.DEFINE_integer(
    "seed",
    None,
    "repeats a run exactly; drawn, and written down, if not given",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
flags.DEFINE_integer(
    "batch_size",
    1,
    "clips of one length dreamed at once; more is faster on GPU and TPU",
    lower_bound=1,
)
flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16", "float64"], "of the network's arithmetic"
)
flags.DEFINE_boolean("plots", True, "draw a picture of each clip, which takes a second or two")
flags.DEFINE_boolean(
    "distributed", False, "be one of several processes, which share out the clips; on a cluster"
)
flags.DEFINE_string(
    "coordinator_address", None, "... elsewhere: HOST:PORT of the first process, as all reach it"
)
flags.DEFINE_integer("num_processes", None, "... how many there are", lower_bound=1)
flags.DEFINE_integer("process_id", None, "... which of them this is, from 0", lower_bound=0)
flags.DEFINE_enum(
    "loudness",
    "safe",
    ["safe", "none"],
    "safe: -23 LUFS, peaks under -1 dBTP; none: as it comes, which can be loud",
)


def main():
    """Dreams; returns the exit code."""
    if flags.FLAGS.list_models:
        return _list_models()
    # Only now: JAX takes its time to import, and --help needs none of it.
    from dreamsound_jax.run import generate
    from dreamsound_jax.system import devices, programs, runtime

    runtime.prepare(precision=flags.FLAGS.precision)
    cluster = devices.Cluster(*(flags.FLAGS[name].value for name in devices.Cluster._fields))
    if flags.FLAGS.distributed or any(value is not None for value in cluster):
        devices.join(cluster)
    with programs.keep_in(f"{runtime.cache_folder()}/traced"):
        failed = generate.run(options(), command=_command())
    return 2 if failed else 0


def _list_models():
    from dreamsound_jax.networks import catalogue

    print(catalogue.overview())
    return 0


def options():
    """The flags as `Options`, whose fields bear their names."""
    from dreamsound_jax.run.options import Options

    given = Options(**{field.name: flags.FLAGS[field.name].value for field in fields(Options)})
    given = replace(given, sweep=[_swept(words) for words in given.sweep])
    swept = dict(given.sweep)
    # A class asked for by name means the layer that knows classes, unless layers are named.
    by_name = given.target_class or "target_class" in swept
    if by_name and not flags.FLAGS["layers_to_use"].present and "layers_to_use" not in swept:
        return replace(given, layers_to_use=["output"])
    return given


def _swept(words):
    """(flag, its values) of the words of a --sweep."""
    from dreamsound_jax.run.options import SWEPT

    name, _, values = words.partition("=")
    nearest_or_fail("flag to --sweep", name, SWEPT)
    return name, [command_line.value_of(name, word) for word in values.split(",") if word]


def _command():
    """The command line that repeats this run into a new folder, but for its seed."""
    ours = flags.FLAGS.flags_by_module_dict()[__name__]
    again = [flag for flag in ours if flag.value != flag.default]
    told = [flag.serialize() for flag in again if flag.name not in OF_THIS_TIME]
    # A flag that was given several times is told in several lines.
    return shlex.join(["dreamsound", *itertools.chain(*map(str.splitlines, told))])


def run():
    """The console script."""
    stopped = "what was finished is kept"
    command_line.run(main, name="dreamsound", usage=USAGE, stopped=stopped, module=__name__)
