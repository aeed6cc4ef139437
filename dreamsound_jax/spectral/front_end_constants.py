"""Reads the constants of a front end from `--front_end`, and writes them in that form."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.spectral.front_end import CHOICES, FrontEnd
from dreamsound_jax.spectral.mel_bands import NO_NORM
from dreamsound_jax.spectral.mel_scales import HTK, SLANEY
from dreamsound_jax.system.errors import UserError, nearest_or_fail, reason_of

FRONT_END_HELP = (
    "the analysis that the network is trained with: constants such as "
    "sample_rate=16000,n_fft=1024,hop=320,n_mels=64,f_min=50,f_max=7000,amin=1e-10,top_db=80,"
    "mel_scale=htk,mel_norm=none,pad_mode=reflect,compression=log,log_offset=1e-6, or a .json file "
    "of them; by default that of the original DreamSound"
)
# Other flags give them, or they are measured.
DB_STATISTICS, INPUT_STATISTICS = ("mean", "std"), ("input_mean", "input_std")
STATISTICS = DB_STATISTICS + INPUT_STATISTICS
CONSTANTS = tuple(each.name for each in fields(FrontEnd) if each.name not in STATISTICS)

SYNONYMS = {
    "sr": "sample_rate",
    "hop_length": "hop",
    "hop_size": "hop",
    "fmin": "f_min",
    "fmax": "f_max",
    "mel_bins": "n_mels",
    "htk": "mel_scale",
    "norm": "mel_norm",
}
"""{a name in librosa, torchaudio or PANNs: the constant}."""

FIXED = {
    "window": ("hann", "hann_window"),
    "center": (True,),
    "power": (2,),
    "pad": (0,),
    "normalized": (False,),
}
"""{an argument of librosa or torchaudio: the values that every front end here has}."""

MEANINGS = {
    ("htk", True): HTK,
    ("htk", False): SLANEY,
    ("norm", None): NO_NORM,
    ("mel_norm", None): NO_NORM,
}
"""{(an argument of librosa or torchaudio, its value): the value of the constant}."""

NO_FLOOR_DB = 300.0
"""The `top_db` of a front end that raises no quiet cells: `amin` is met before."""


def parse_front_end(text: str) -> dict[str, Any]:
    """Parses the value of `--front_end`.

    Args:
      text: constants such as "sample_rate=16000,hop=320", or the path of a .json file that holds a
        JSON object of them. Names of librosa and torchaudio are understood, too.

    Returns:
      {constant of `FrontEnd`: value}.

    Raises:
      UserError: a constant is unknown, is given twice, or makes no sense; the message is one line.

    Example:
      >>> parse_front_end("sr=16000,n_fft=512,hop_length=160,n_mels=64")
      {'sample_rate': 16000, 'n_fft': 512, 'hop': 160, 'n_mels': 64}
    """
    pairs = _read_json(text) if text.endswith(".json") else _split(text)
    try:
        return _check_constants(pairs)
    except UserError as error:
        raise UserError(f"--front_end: {error}") from None


def format_front_end(constants: dict[str, Any]) -> str:
    """Writes constants in the form that `parse_front_end` reads.

    Example:
      >>> format_front_end({"sample_rate": 16000, "f_min": 50.0})
      'sample_rate=16000,f_min=50.0'
    """
    return ",".join(f"{name}={value}" for name, value in constants.items())


def changed_constants(front_end: FrontEnd) -> dict[str, Any]:
    """Returns {constant: value} of those that differ from the reference's, as JSON types."""
    usual = asdict(FrontEnd())
    return {
        name: value
        for name, value in asdict(front_end).items()
        if name in CONSTANTS and value != usual[name]
    }


def check_names(names: Iterable[str]) -> None:
    """Raises UserError, which names the nearest constant, if a front end has no such constant."""
    for name in names:
        nearest_or_fail("such constant of the front end:", name, CONSTANTS, also=SYNONYMS)


def _split(text):
    items = [item.strip() for item in text.split(",") if item.strip()]
    wrong = [item for item in items if "=" not in item]
    if wrong or not items:
        raise UserError(
            "--front_end must be a list such as sample_rate=16000,hop=320, or a .json file, got "
            f"{wrong[0] if wrong else text!r}"
        )
    pairs = (item.partition("=") for item in items)
    return [(name.strip(), _parse_value(value.strip())) for name, _, value in pairs]


def _parse_value(word):
    """Returns the number, truth value or None that a word stands for, or the word itself."""
    named = {"true": True, "false": False, "none": None, "null": None}
    if word.lower() in named:
        return named[word.lower()]
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            pass
    return word


def _read_json(path):
    """Returns the pairs of the JSON object in a file, in which a name could be given twice."""
    try:
        pairs = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_Pairs)
    except OSError as error:
        raise UserError(f"cannot read --front_end={path}: {reason_of(error)}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"--front_end={path} is not JSON: {reason_of(error)}") from None
    if not isinstance(pairs, _Pairs):
        raise UserError(f'--front_end={path} must hold a JSON object such as {{"hop": 320}}')
    return pairs


class _Pairs(list):
    """The pairs of a JSON object, which is no JSON array."""


def _check_constants(pairs):
    constants, others, given_as = {}, {}, {}
    for given, stated in pairs:
        name, value = _translate(given, stated)
        if name in given_as and (given_as[name] == given or constants.get(name) != value):
            raise UserError(f"{name} must be given once, got {given_as[name]} and {given}")
        given_as[name] = given
        (others if name in FIXED or name == "win_length" else constants)[name] = value
    _check_values(constants)
    _lower_floor(constants)
    _check_others(others, FrontEnd(**constants).n_fft)
    return constants


def _translate(given, value):
    """Returns the constant, and its value, that an argument of librosa or torchaudio stands for."""
    name = SYNONYMS.get(given, given)
    if isinstance(value, bool | int | None) and (given, value) in MEANINGS:
        return name, MEANINGS[given, value]
    if given == "htk":
        raise UserError(f"htk must be true or false, got {value}")
    return name, value


def _lower_floor(constants):
    """Lets a network hear all that its training did: only spectrograms in dB tend to have a floor.

    Without a floor in dB the smallest power that can be heard is that of the compression.
    """
    if constants.get("compression", DECIBEL) != DECIBEL:
        constants.setdefault("top_db", None)
    if "top_db" in constants and constants["top_db"] is None:
        constants["top_db"] = NO_FLOOR_DB


def _check_values(constants):
    for name in STATISTICS:
        if name in constants:
            raise UserError(
                f"{name} must be left out: a conversion takes it from "
                f"--{name.removeprefix('input_')}, and a training measures it"
            )
    check_names(constants)
    for name, value in constants.items():
        if isinstance(value, bool) and name not in CHOICES:
            raise UserError(f"{name} must be a number, got {str(value).lower()}")


def _check_others(others, n_fft):
    """Checks the arguments of librosa and torchaudio that can have only one value here."""
    for name, value in others.items():
        allowed = (n_fft, None) if name == "win_length" else FIXED[name]
        if value not in allowed:
            reason = ", which is n_fft" if name == "win_length" else ""
            raise UserError(
                f"{name} must be {allowed[0]}{reason}, got {value}; no other {name} is supported"
            )
