"""Finds flags that are typed twice with different values, of which only one could count."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from dreamsound_jax.cli.values import find_typed
from dreamsound_jax.system.errors import UserError

# What several of these name is joined.
_COLLECTED = ("input", "flagfile", "undefok")


def check_given_once(words: Sequence[str]) -> None:
    """Raises UserError if a flag is typed twice with different values.

    A typed flag wins over the lines of a flag file, and `--noplots` may follow `--plots`, as in
    an alias of a shell. Flags that collect all their values, such as `--sweep`, may be repeated.

    Args:
      words: of a command line, with the value of each flag behind its `=`.
    """
    given: dict[str, tuple[str, Any]] = {}
    for word in words[: words.index("--")] if "--" in words else words:
        name, is_assigned, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in flags.FLAGS or _collects(name):
            continue
        name = flags.FLAGS[name].name  # -o is --output.
        value = value if is_assigned else "true"
        found = _read(name, value)
        earlier, before = given.setdefault(name, (value, found))
        if before != found:
            advice = _advise(name, earlier, value)
            raise UserError(f"--{name} is given twice, as {earlier} and as {value}: {advice}")


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
        return f"give all in one, as in --{name}={','.join(values)}"
    return "give only one of them"
