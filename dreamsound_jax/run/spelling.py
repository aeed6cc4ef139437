"""The values of options as people type them: MP3, .mp3, Adam, 24bit, portrait.

Nothing heavy is imported until a value needs it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dreamsound_jax.run.options import FIELDS
from dreamsound_jax.system.errors import UserError, find_choice, simplify
from dreamsound_jax.system.shipped import model_names, preset_names

SYNONYMS = {
    "bit_depth": {
        "32f": "32, 32bit, 32bits, 32bitfloat, 32float, float, float32, f32, fp32, 32bf",
        "24": "24bit, 24bits, int24, s24, pcm24",
        "16": "16bit, 16bits, int16, s16, pcm16",
    },
    "class_objective": {"towards": "toward", "away": "awayfrom"},
    "domain": {"sound": "audio, gain", "mel": "melspectrogram, melspec, spectrogram"},
    "format": {"wav": "wave", "ogg": "oga, vorbis, oggvorbis"},
    "lengths": {"buckets": "bucket"},
    "optimizer_state": {"restart": "reset", "carry": "keep"},
    "precision": {
        "float32": "32, 32bit, fp32, f32, single",
        "bfloat16": "bf16",
        "float64": "64, 64bit, fp64, f64, double",
    },
    "video": {
        "wide": "landscape, horizontal, 16:9, 1920x1080",
        "square": "1:1, 1080x1080",
        "upright": "portrait, vertical, 9:16, 1080x1920",
    },
}
"""{option: {value: other words for it}}, without what `simplify` takes out of a word."""


def find_value(name: str, word: str, choices: Iterable[str]) -> str:
    """Returns the value of an option that a word stands for.

    Args:
      name: of the option.
      word: as it is typed.
      choices: the values that the option can have.

    Raises:
      UserError: it stands for none; the message names the option, the word and the choices.

    Example:
      >>> find_value("format", ".MP3", ["wav", "mp3"])
      'mp3'
    """
    choices = tuple(choices)
    known = SYNONYMS.get(name, {}).items()
    meant = {
        each: value for value, words in known if value in choices for each in words.split(", ")
    }
    return find_choice(f"--{name}", meant.get(simplify(word), word), choices)


def spell_as_meant(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options with each name in place of what was typed for it, also in sweeps.

    What is no name of anything stays as it is; the checks that follow say so.

    Args:
      given: {option: value}.

    Example:
      >>> spell_as_meant({"optimizer": "Adam", "sweep": {"format": (".FLAC", "wav")}})
      {'optimizer': 'adam', 'sweep': {'format': ('flac', 'wav')}}
    """
    spelled = {name: _spell(name, value) for name, value in given.items()}
    swept = given.get("sweep")
    if isinstance(swept, Mapping):
        spelled["sweep"] = {
            name: tuple(_spell(name, each) for each in values)
            if isinstance(values, tuple | list)
            else _spell(name, values)
            for name, values in swept.items()
        }
    return spelled


def _spell(name, value):
    if isinstance(value, tuple | list):
        return type(value)(_spell(name, each) for each in value)
    if not isinstance(value, str):
        return value
    if name == "loudness":
        return value.lower().removesuffix("lufs").strip()
    choices = _list_choices(name)
    return _find_or_keep(name, value, choices) if choices else value


def _find_or_keep(name, value, choices):
    try:
        return find_value(name, value, choices)
    except UserError:
        return value


def _list_choices(name):
    """Returns the values that an option can have; none if they are not known here."""
    if name in FIELDS and FIELDS[name].metadata["choices"]:
        return FIELDS[name].metadata["choices"]
    if name == "model":
        return model_names()
    if name == "preset":
        return preset_names()
    if name == "optimizer":
        from dreamsound_jax.dreaming.optimizers import OPTIMIZERS

        return OPTIMIZERS
    if name == "ouroboros_transform":
        from dreamsound_jax.spectral.transforms import TRANSFORMS

        return ["none", *TRANSFORMS]
    return ()
