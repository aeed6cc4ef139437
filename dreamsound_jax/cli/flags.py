"""The flags of `dreamsound`: one for each option, and those of the process itself.

Importing this module defines them; scripts that dream import it, too.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from dreamsound_jax.cli.names import find_name
from dreamsound_jax.cli.parsing import ChoiceFlag, value_of
from dreamsound_jax.run.options import FIELDS, SWEEPABLE, Options, value_type
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.ranges import split_objectives
from dreamsound_jax.system.errors import UserError, nearest_or_fail

DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}

SECTIONS = {
    "Inputs and outputs": (
        *("input", "output", "output_dir", "overwrite", "name", "write_input", "plots"),
        *("video", "video_growth", "arrays", "format", "bit_depth"),
        *("loudness", "json", "quiet", "list_models", "list_presets", "version"),
    ),
    "What to dream of": (
        *("preset", "preview", "model", "checkpoint", "layers_to_use", "target_class"),
        *("target_class_index", "class_objective", "objective", "interpolate"),
    ),
    "How far, and where": (
        *("strength", "amount", "until", "mix", "gain_range", "time", "frequency", "mask"),
    ),
    "How to dream": (
        *("domain", "loop", "pyramid_size", "pyramid_ratio", "pyramid_roll", "replace_detail"),
        *("detail_factor", "num_iterations", "lr", "smooth_gradient", "smoothing_coefficient"),
        *("standardise_gradient", "views", "jitter_time", "jitter_pitch", "jitter_gain"),
        *("jitter_noise", "optimizer", "momentum", "b1", "b2", "eps", "weight_decay"),
        *("optimizer_state", "precision", "seed"),
    ),
    "The ouroboros": (
        *("create_ouroboros", "ouroboros_length", "ouroboros_transform", "ouroboros_stretch"),
        *("ouroboros_sr_offset", "ouroboros_semitones", "ouroboros_roll", "ouroboros_bands"),
        *("crossfade", "stabilise", "stop_overcooked", "save_every"),
    ),
    "Many clips": (
        *("num_clips", "first_draw", "sweep", "batch_size", "lengths", "clip_length", "sine_freq"),
        "sample_rate",
    ),
    "Several processes": (
        *("distributed", "num_processes", "process_id", "join_timeout", "coordinator_address"),
    ),
}
"""{title: the flags under it} of the help."""


def _define_all() -> None:
    for field in dataclasses.fields(Options):
        _define(field)
    flags.DEFINE_string(
        "output",
        None,
        "Where the results go: a folder, as for --output_dir, or a file whose name ends in .wav, "
        ".flac, .ogg or .mp3. A "
        "file gets the dream of one clip, and nothing else is written but the video of --video.",
        short_name="o",
    )
    flags.DEFINE_boolean(
        "overwrite", False, "Replace the file that --output names, if it exists.", short_name="y"
    )
    flags.DEFINE_boolean(
        "json",
        False,
        "Print a line of JSON for each clip on standard output, in place of the path of its sound: "
        "path, input, seed, model, layers, distance, loudness, classes heard, and error, which is "
        "null unless the clip failed.",
    )
    flags.DEFINE_boolean(
        "quiet", False, "Print only warnings and errors on standard error.", short_name="q"
    )
    flags.DEFINE_boolean("version", False, "Print the version of dreamsound and of JAX.")
    flags.DEFINE_boolean(
        "list_models", False, "Show the networks, their classes and layers, and where they are."
    )
    flags.DEFINE_boolean(
        "list_presets", False, "Show the presets, with a line on what to expect of each."
    )
    flags.DEFINE_boolean(
        "distributed",
        False,
        "Be one of several processes that share the clips and --output_dir, on a cluster that JAX "
        "knows, such as Slurm or a TPU slice.",
    )
    flags.DEFINE_integer(
        "num_processes",
        None,
        "The number of processes, where the cluster does not say it.",
        lower_bound=1,
    )
    flags.DEFINE_integer("process_id", None, "The number of this process, from 0.", lower_bound=0)
    flags.DEFINE_float(
        "join_timeout",
        300.0,
        "Seconds to wait until process 0 has written the seed to --output_dir. With --seed, no "
        "process waits.",
        lower_bound=0.0,
    )
    flags.DEFINE_string(
        "coordinator_address",
        None,
        "Not needed, and accepted for older scripts: processes find the seed in --output_dir.",
    )


def _define(field):
    kind, metadata = value_type(field.name), field.metadata
    if kind is Mapping:
        return flags.DEFINE_multi_string(field.name, [], metadata["help"])
    bounds = {"lower_bound": metadata["at_least"], "upper_bound": metadata["at_most"]}
    keywords = bounds if kind in (int, float) else {}
    if metadata["choices"] and len(metadata["choices"]) < 10:
        choices = list(metadata["choices"])
        if metadata["bare"]:
            return flags.DEFINE_flag(ChoiceFlag(field.name, choices, metadata))
        return flags.DEFINE_enum(field.name, field.default, choices, metadata["help"])
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return DEFINE[kind](field.name, default, metadata["help"], **keywords)


def read_options() -> Options:
    """Returns the flags that were given as `Options`.

    Raises:
      UserError: a --sweep names a flag or a value that does not exist.
    """
    given = {name: flags.FLAGS[name].value for name in FIELDS if is_given(flags.FLAGS[name])}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return make_options(given | {"sweep": _parse_sweeps(given.get("sweep", ()))})


def is_given(flag: flags.Flag) -> bool:
    """Returns whether a flag was given, even if with its default value."""
    return bool(flag.present) or flag.value != flag.default


def _parse_sweeps(lines: Sequence[str]) -> dict[str, tuple]:
    """Returns {flag: its values} of all --sweep; a flag is swept once."""
    swept: dict[str, tuple] = {}
    for name, values in map(_parse_sweep, lines):
        if name in swept:
            raise UserError(
                f"--sweep={name}= is given twice: give all of its values in one, as in "
                f"--sweep={name}=VALUE,VALUE"
            )
        swept[name] = values
    return swept


def _parse_sweep(words: str) -> tuple[str, tuple]:
    """Returns the flag and its values of the words of one --sweep, such as "lr=0.01,0.02"."""
    typed, _, values = words.partition("=")
    name = find_name(typed) or typed
    nearest_or_fail("such flag for --sweep:", name, SWEEPABLE)
    split = split_objectives(values) if name in ("objective", "interpolate") else values.split(",")
    return name, tuple(_parse_value(name, word) for word in split if word)


def _parse_value(name: str, word: str) -> Any:
    """Returns the value of an option that a word of a --sweep stands for."""
    value = value_of(name, word)
    return tuple(value) if isinstance(value, list) else value


_define_all()
