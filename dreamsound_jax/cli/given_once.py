"""Finds flags that are typed twice with different values, of which only the last one counts."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from dreamsound_jax.cli.values import find_typed

# What several of these name is joined.
_COLLECTED = ("input", "flagfile", "undefok")


def find_given_twice(words: Sequence[str]) -> list[str]:
    """Returns a line for each flag that is typed twice with different values.

    The last one counts, as in most programs, so that an alias of a shell may be added to. A flag
    file may say something else without a word, and `--noplots` may follow `--plots`. Flags that
    collect all their values, such as `--sweep`, may be repeated.

    Args:
      words: of a command line, with the value of each flag behind its `=`.
    """
    given: dict[str, tuple[str, Any]] = {}
    lines = []
    for word in words[: words.index("--")] if "--" in words else words:
        name, is_assigned, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in flags.FLAGS or _collects(name):
            continue
        name = flags.FLAGS[name].name  # -o is --output.
        value = value if is_assigned else "true"
        found = _read(name, value)
        earlier, before = given.get(name, (value, found))
        given[name] = value, found
        if before != found:
            advice = _advise(name, earlier, value)
            lines.append(
                f"--{name} is given twice, as {earlier} and as {value}: the last one counts{advice}"
            )
    return lines


def _collects(name):
    flag = flags.FLAGS[name]
    return isinstance(flag, flags.MultiFlag) or name in _COLLECTED


def _read(name, value):
    """Returns the value that a word stands for; the word itself if the flag cannot have it."""
    flag = flags.FLAGS[name]
    try:
        return flag.parser.parse(find_typed(name, value))
    except ValueError:  # It is named when the flags are parsed.
        return value


def _advise(name, *values):
    if isinstance(flags.FLAGS[name].parser, flags.ListParser):
        return f"; to have all, give --{name}={','.join(values)}"
    return ""
