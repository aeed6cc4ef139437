"""The names of flags as people type them: with dashes, by synonyms, or misspelt."""

import difflib
import glob
import os
import re

from absl import flags

from dreamsound_jax.system.errors import UserError

SYNONYMS = {
    # Inputs and outputs.
    "i": "input",
    "inputs": "input",
    "out": "output",
    "outfile": "output",
    "out_dir": "output_dir",
    "outdir": "output_dir",
    "output_folder": "output_dir",
    "output_format": "format",
    "bits": "bit_depth",
    "depth": "bit_depth",
    "force": "overwrite",
    "silent": "quiet",
    "models": "list_models",
    "presets": "list_presets",
    # What is dreamed of, and how.
    "network": "model",
    "layer": "layers_to_use",
    "layers": "layers_to_use",
    "class": "target_class",
    "target": "target_class",
    "iterations": "num_iterations",
    "iters": "num_iterations",
    "steps": "num_iterations",
    "num_steps": "num_iterations",
    "learning_rate": "lr",
    "optimiser": "optimizer",
    "octaves": "pyramid_size",
    "num_octaves": "pyramid_size",
    "octave_scale": "pyramid_ratio",
    "standardize_gradient": "standardise_gradient",
    "freq": "frequency",
    # The ouroboros.
    "ouroboros": "create_ouroboros",
    "rounds": "ouroboros_length",
    "stabilize": "stabilise",
    # Many clips.
    "batch": "batch_size",
    "clips": "num_clips",
    "random_seed": "seed",
}
"""{name: the flag that means exactly this}; a flag of that name itself comes first."""

INSTEAD = {
    "v": "--version names the version, and --quiet leaves out all but warnings",
    "V": "--version names the version",
    "verbose": "all is said already, and --quiet leaves out all but warnings",
    "device": "a GPU that JAX finds is used, and JAX_PLATFORMS=cpu in the environment forbids it",
    "gpu": "a GPU that JAX finds is used",
    "cpu": "JAX_PLATFORMS=cpu in the environment keeps it to the CPU",
    "dtype": "--precision chooses the precision of the network's arithmetic",
    "weights": "--checkpoint takes the folder of a trained or converted network",
    "norm": "--loudness says how loud the sound is written",
    "normalize": "--loudness says how loud the sound is written",
    "volume": "--loudness says how loud the sound is written",
    "mp3": "--format=mp3 writes MP3",
    "flac": "--format=flac writes FLAC",
    "ogg": "--format=ogg writes Ogg Vorbis",
    "wav": "--format=wav, the default, writes WAV",
    "int24": "--bit_depth=24 writes 24 bit",
    "float32": "--bit_depth=32f writes 32-bit float",
    "f": "--format chooses the format of sounds, and --flagfile reads flags from a file",
    "b": "--batch_size says how many clips are dreamed at once, and --bit_depth how many bits",
    "n": "--num_clips is the number of clips, and --num_iterations that of steps",
    "d": "--output (-o) says where the results go",
    "duration": "--clip_length is the length of noise in samples, and --time says where to dream",
    "epochs": "--num_iterations is the number of steps",
}
"""{name: what to use instead}, of flags that are expected and do not exist."""

_ABSL = "absl"
_READ_ELSEWHERE = ("flagfile", "undefok")
# Dashes that word processors and phones put in the place of one or two hyphens.
_DASHES = re.compile("-*[\u2010-\u2015\u2212][-\u2010-\u2015\u2212]*")


def find_name(typed: str) -> str | None:
    """Returns the flag that a name without its first dashes stands for; None if there is none."""
    name = typed.replace("-", "_")
    if not _is_ours(name):
        name = SYNONYMS.get(name, name)
    if _is_ours(name):
        return flags.FLAGS[name].name
    if name.startswith("no"):
        switched = find_name(name[2:].lstrip("_"))
        if switched and switched in flags.FLAGS and flags.FLAGS[switched].boolean:
            return f"no{switched}"
    return None


def _is_ours(name):
    """Returns whether there is such a flag, and it is none of absl's own, such as --pdb."""
    if name not in flags.FLAGS:
        return False
    return not flags.FLAGS.find_module_defining_flag(name, "").startswith(_ABSL)


def is_flag(argument: str) -> bool:
    """Returns whether a word of a command line is a flag, and not a number or a lone dash."""
    return argument.startswith("-") and argument.strip("-") != "" and not is_number(argument)


def is_number(word: str) -> bool:
    """Returns whether a word is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def use_own_names(arguments: list[str]) -> list[str]:
    """Returns the words of a command line with each flag by its own name, and two dashes.

    Raises:
      UserError: there is no such flag; the message names the nearest one.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_use_own_name(each) for each in arguments[:end]] + arguments[end:]


def check_dash(word: str) -> None:
    """Raises UserError for an input that begins with a long dash, unless there is such a file.

    The message says what was meant if a flag was.
    """
    dashes = _DASHES.match(word)
    if dashes is None or os.path.exists(word) or glob.has_magic(word):
        return
    typed, equals, value = word[dashes.end() :].partition("=")
    near = difflib.get_close_matches(typed.replace("-", "_"), _list_meant(), n=1)
    meant = _find_typed_flag(typed) or (find_name(near[0]) if near else None)
    hint = f"did you mean --{meant}{equals}{value}?" if meant else "there is no file of this name"
    raise UserError(
        f"{word!r} begins with a dash that is no hyphen; {hint} (--help lists the flags)"
    )


def _find_typed_flag(typed):
    return typed if typed in (*_READ_ELSEWHERE, "help", "h") else find_name(typed)


def _use_own_name(argument):
    if (dashes := _DASHES.match(argument)) is not None:
        # It may also be the value of the flag before it, unless it names a flag.
        if _find_typed_flag(argument[dashes.end() :].partition("=")[0]):
            check_dash(argument)
        return argument
    if not is_flag(argument):
        return argument
    typed, equals, value = argument.lstrip("-").partition("=")
    name = typed if typed in _READ_ELSEWHERE else find_name(typed)
    if name is None:
        raise UserError(_describe_unknown(argument, typed, equals + value))
    return f"--{name}{equals}{value}"


def _describe_unknown(argument, typed, assigned):
    said = argument.removesuffix(assigned) if assigned else argument
    meant = INSTEAD.get(typed.replace("-", "_"))
    if meant is None:
        near = difflib.get_close_matches(typed.replace("-", "_"), _list_meant(), n=1)
        meant = f"did you mean --{find_name(near[0])}{assigned}?" if near else None
    return f"there is no flag {said}{'; ' + meant if meant else ''} (--help lists the flags)"


def _list_meant():
    """Returns all names that may have been meant; those of absl's own flags are none of them."""
    found = flags.FLAGS.flags_by_module_dict().items()
    own = [flag for module, each in found if not module.startswith(_ABSL) for flag in each]
    names = [flag.name for flag in own if len(flag.name) > 1]
    switches = [f"no{flag.name}" for flag in own if flag.boolean]
    return [*names, *switches, *(name for name, of in SYNONYMS.items() if of in names)]
