"""Joins the words that follow a flag on a command line to it."""

import csv
import io
import os

from absl import flags

from dreamsound_jax.cli.names import is_flag
from dreamsound_jax.cli.values import is_value

_INPUT = "--input="


def join_words(arguments: list[str]) -> list[str]:
    """Joins the words that follow a flag to it with `=`: all of them for a list, else one."""
    joined, position = [], 0
    while position < len(arguments):
        argument, position = arguments[position], position + 1
        words = _words_after(arguments, position)
        used = words[: _takes(argument, words)]
        position += len(used)
        joined.append(f"{argument}={_as_list(used)}" if used else argument)
    return joined


def join_inputs(arguments: list[str]) -> list[str]:
    """Joins what several `--input=` name into the last of them.

    Inputs of a flag file give way to those that are typed, so each file is joined apart.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    places = [place for place in range(end) if arguments[place].startswith(_INPUT)]
    if len(places) < 2 or not takes_inputs():
        return arguments
    values = [arguments[place].removeprefix(_INPUT) for place in places]
    joined = _INPUT + ",".join(filter(None, values))
    rest = [word for place, word in enumerate(arguments) if place not in places[:-1]]
    last = places[-1] - len(places) + 1
    return [*rest[:last], joined, *rest[last + 1 :]]


def takes_inputs() -> bool:
    """Returns whether the command has a list of inputs."""
    return "input" in flags.FLAGS and isinstance(flags.FLAGS["input"].parser, flags.ListParser)


def _words_after(arguments, position):
    words = []
    for word in arguments[position:]:
        if is_flag(word) or word == "--":
            break
        words.append(word)
    return words


def _takes(argument, words):
    """Returns how many of the words that follow `argument` are its value."""
    name = argument.lstrip("-")
    flag = flags.FLAGS[name] if argument.startswith("-") and name in flags.FLAGS else None
    if flag is None:
        return 1 if argument in ("--flagfile", "-flagfile") else 0
    if flag.boolean:
        return int(bool(words) and is_value(name, words[0]))
    if isinstance(flag.parser, flags.ListParser):
        return _count_items(flag, words)
    return min(1, len(words))


def _count_items(flag, words):
    """Returns how many words are items of a list; sounds are inputs, and no items of others."""
    from dreamsound_jax.audio.find import BUILT_IN, is_sound

    if flag.name == "input" or "input" not in flags.FLAGS:
        return len(words)
    for place, word in enumerate(words):
        if place and (is_sound(word) or word in BUILT_IN or os.path.isdir(word)):
            return place
    return len(words)


def _as_list(words):
    """Returns the words as one value; a file whose name has a comma in it stays one item."""
    if len(words) == 1 and not os.path.exists(words[0]):
        return words[0]
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(words)
    return row.getvalue()
