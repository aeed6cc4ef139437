"""Names of clips' files by a template, such as "{input}-{layer}-{seed}"."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamsound_jax.dreaming.optimizers import HYPERPARAMETERS
from dreamsound_jax.run.options import SWEEPABLE
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import printable_name

# What is known of a clip only in the list of clips; all other fields are options.
OF_CLIP = ("number", "input", "class")
_OPTION_OF = {"layer": "layers_to_use", "layers": "layers_to_use"}
_USUAL = ("number", "input", "layer", "class", "model", "preset", "strength", "seed", "domain")
_TEXTS = ("objective", "interpolate")
_RANGES = ("time", "frequency")
# What options without a value do, where "none" would say something else.
_WITHOUT = {"bit_depth": "auto"} | dict.fromkeys(HYPERPARAMETERS, "default")
_FIELDS = (*OF_CLIP, *_OPTION_OF, *SWEEPABLE)

# Most file systems allow 255 bytes in a name; so much is left for a suffix and a number.
_LONGEST = 200
# What file systems, or shells, do not take well in a name.
_UNSAFE = re.compile(r'[/\\:*?"<>|]')
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WIDTH = re.compile(r"0?[1-9]")
# A run has a file of this name itself, and files with these ends beside a dream.
_OF_RUN = ("params",)
_BESIDE = re.compile(r"\.(input|difference)$", re.IGNORECASE)


class Field(NamedTuple):
    """A field of a template: its name, and the format of its number, such as "03", or ""."""

    name: str
    width: str


def read_template(template: str) -> list[str | Field]:
    """Reads a template into its texts and its fields.

    Raises:
      UserError: a field is unknown, or a brace or a slash is out of place.

    Example:
      >>> read_template("{input}-{number:03}")
      [Field(name='input', width=''), '-', Field(name='number', width='03')]
    """
    pieces: list[str | Field] = []
    end = 0
    for match in _PIECE.finditer(template):
        pieces.append(template[end : match.start()])
        pieces.append(_read_piece(template, match))
        end = match.end()
    if not template or "/" in template:
        raise UserError(
            "--name must be a name without a slash, such as {input}-{layer}-{seed}, and is "
            f"{template!r}"
        )
    return [piece for piece in [*pieces, template[end:]] if piece]


def _read_piece(template, match):
    if match[0] in ("{{", "}}"):
        return match[0][0]
    if match[1] is None:
        raise UserError(
            f"--name={template}: a brace must be closed, as in {{input}}, or be doubled"
        )
    name, colon, width = match[1].partition(":")
    if name not in _FIELDS:
        near = difflib.get_close_matches(name, _FIELDS, n=1)
        meant = f" (did you mean {{{near[0]}}}?)" if near else ""
        raise UserError(
            f"--name={template}: no field {{{name}}}{meant}; choose from: {', '.join(_USUAL)}, or "
            "any flag that can be swept, such as lr"
        )
    if colon and not (name in ("number", "seed") and _WIDTH.fullmatch(width)):
        raise UserError(
            f"--name={template}: only number and seed have a width, such as {{number:03}}"
        )
    return Field(name, width or ("05" if name == "number" else ""))


def find_values(template: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of those fields of a template that are options of a clip.

    Args:
      template: such as "{layer}-{lr}", or None.
      options: {option: value}.
    """
    if template is None:
        return {}
    names = [piece.name for piece in read_template(template) if isinstance(piece, Field)]
    return {n: options[_OPTION_OF.get(n, n)] for n in names if n not in OF_CLIP}


def fill_template(template: str, values: Mapping[str, Any]) -> str:
    """Returns a name that is safe for a file system, by the values of a template's fields.

    Example:
      >>> fill_template("{input}-{lr}", {"input": "a/b", "lr": 0.04})
      'a_b-0.04'
    """
    pieces = [
        piece if isinstance(piece, str) else _write_field(piece, values[piece.name])
        for piece in read_template(template)
    ]
    return make_safe("".join(pieces))


def _write_field(field, value):
    """Returns the value of a field as a part of a name."""
    if value is None:
        return _WITHOUT.get(field.name, "none")
    if isinstance(value, bool):
        return f"{'' if value else 'no'}{field.name}"
    if field.name == "target_class_index" and value == -1:
        return "drawn"
    if field.name in _TEXTS:
        return write_objective(value)
    if field.name in _RANGES:
        return "+".join(value).replace(":", "to")
    if field.name == "mask":
        return name_input(value)
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")  # As it is typed: 60, not 60.0.
    return f"{value:{field.width}}"


def write_objective(text: str) -> str:
    """Returns the text of an objective as a part of a name: words, with dashes between them.

    Example:
      >>> write_objective("2*relu2_2 - guide(relu3_4, in/birds.wav) > organ")
      '2-relu2_2-minus-guide-relu3_4-birds-to-organ'
    """
    text = re.sub(r"(?<=['\"])[^'\"]*/|[^\s,(='\"]*/", "", text)  # Folders of files.
    text = re.sub(r"\.[A-Za-z]\w*(?![\w.])", "", text)  # Their suffixes.
    for sign, word in ((">", " to "), ("+", " plus "), (" -", " minus ")):
        text = text.replace(sign, word)
    return re.sub(r"[^\w.]+", "-", text).strip("-")


def make_safe(name: str) -> str:
    """Returns a text as a name of at most 200 bytes, which is visible and no flag of a command."""
    name = _UNSAFE.sub("_", printable_name(name)).strip(" ")
    name = re.sub(r"^[.-]", "_", _BESIDE.sub(r"-\1", name)) or "_"
    return shorten(name)


def shorten(name: str, *, longest: int = _LONGEST) -> str:
    """Returns a name, or as much of its beginning as has so many bytes."""
    return os.fsencode(name)[:longest].decode(errors="ignore")


def name_input(path: str) -> str:
    """Returns what the names of a clip's files say of its input."""
    return shorten(printable_name(Path(path).stem))


def make_unique(names: Iterable[str]) -> list[str]:
    """Adds a number to each name that an earlier one has, in small letters or capitals.

    A name does not depend on those after it, so it stays when a run is resumed with more inputs.

    Example:
      >>> make_unique(["a", "b", "A", "a"])
      ['a', 'b', 'A-2', 'a-3']
    """
    taken, unique = set(_OF_RUN), []
    next_numbers: dict[str, int] = {}
    for name in names:
        key, candidate = name.lower(), name
        while candidate.lower() in taken:
            number = next_numbers.get(key, 2)
            next_numbers[key] = number + 1
            candidate = f"{shorten(name)}-{number}"
        taken.add(candidate.lower())
        unique.append(candidate)
    return unique
