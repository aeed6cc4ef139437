"""Reads flag files: `--flagfile=NAME` stands for the lines of a file, or of a preset."""

import codecs
import os
from collections.abc import Sequence
from pathlib import Path

from dreamsound_jax.cli.names import use_own_names
from dreamsound_jax.cli.words import join_inputs
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.shipped import preset_names, shipped

_SUFFIX = ".flags"
_COMMENTS = ("#", "//")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_flag_files(arguments: Sequence[str], *, within: tuple[str, ...] = ()) -> list[str]:
    """Returns the words of a command line, with the lines of flag files in their places.

    A flag file may name others, and be written with synonyms.

    Args:
      arguments: words, with the value of each flag behind its `=`.
      within: the flag files whose lines these are, the innermost last.

    Raises:
      UserError: a flag file is not there, cannot be read, or contains itself.
    """
    words: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*words, *arguments[place:]]
        dashes, is_directive, name = argument.partition("flagfile")
        if is_directive and dashes in ("-", "--") and name[:1] in ("", "=", " "):
            words += _read_words(name[1:].strip(), within)
        else:
            words.append(argument)
    return words


def _read_words(name, within):
    path = find_flag_file(name, within=within)
    if path in within:
        raise UserError(f"the flag file {name!r} contains itself")
    lines = [line.strip() for line in _read_text(path).splitlines()]
    words = [line for line in lines if line and not line.startswith(_COMMENTS)]
    return join_inputs(use_own_names(read_flag_files(words, within=(*within, path))))


def find_flag_file(name: str, *, within: Sequence[str] = ()) -> str:
    """Returns the path of a flag file: a user's own or, of a bare name, one of the package.

    Raises:
      UserError: there is none.
    """
    where = f" (named in {within[-1]!r})" if within else ""
    if not name:
        raise UserError(f"--flagfile must name a file of flags{where}")
    path = os.path.expanduser(name)
    if os.path.exists(path) and not os.path.isdir(path):
        return path
    preset = Path(path).name.removesuffix(_SUFFIX)
    is_preset = preset in preset_names()
    if is_preset and os.path.basename(name) == name:
        return str(shipped("configs") / f"{preset}{_SUFFIX}")
    if os.path.isdir(path):
        raise UserError(f"--flagfile={name} is a folder{where}; it must be a file of flags")
    if is_preset:
        hint = f"; did you mean --preset={preset}?"
    else:
        is_bare = os.path.basename(name) == name
        hint = f"; the presets are: {', '.join(preset_names())}" if is_bare else ""
    raise UserError(f"no flag file {name!r}{where}{hint}")


def _read_text(path):
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"the flag file {path!r} cannot be read: {reason_of(error)}") from None
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(
            f"the flag file {path!r} must be UTF-8 text, and is not: save it again with this "
            "encoding"
        )
    return text
