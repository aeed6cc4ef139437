"""The command that makes one clip of a run again."""

import os
import re
import shlex
from collections.abc import Sequence
from typing import Any

from dreamsound_jax.audio.find import BUILT_IN
from dreamsound_jax.run.jobs import Job

# What these say of the run is said of the clip by its input, its draw and its changes.
_OF_THE_LIST = ("input", "sweep", "num_clips", "first_draw", "preview")
# Bytes that are no text, and characters that would break the line.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def make_clip_command(job: Job, *, run_command: str) -> str | None:
    """Returns the command line that makes a clip alone, for a POSIX shell, in one line.

    In the folder in which the run was started, on the same machine, it makes the same dream, bit
    for bit. Of a preview, it is the command for the whole input.

    Args:
      job: the clip.
      run_command: the command line of the run, without its seed.

    Returns:
      The command; None if the clip depends on others of its batch.
    """
    words = shlex.split(run_command)
    if any("diversity(" in word for word in (*words, *map(str, job.plan.changes.values()))):
        return None
    changes = {name: value for name, value in job.plan.changes.items() if name != "seed"}
    replaced = {*_OF_THE_LIST, *changes, "preset" if "preset" in changes else "seed"}
    kept = [word for word in words[1:] if word.startswith("--") and _flag_of(word) not in replaced]
    made = [_as_flag(name, value) for name, value in changes.items()]
    draw = [f"--first_draw={job.draw}"] if job.draw else []
    line = [words[0], _as_input(job.path), *made, *kept, *draw, f"--seed={job.plan.seed}"]
    return " ".join(map(quote, line))


def quote(word: str) -> str:
    """Quotes a word for a shell; $'...' says what cannot be printed, as bash and zsh read it.

    Example:
      >>> quote("it's"), quote("two\\nlines")
      ('\\'it\\'"\\'"\\'s\\'', "$'two\\\\x0alines'")
    """
    if not _UNPRINTABLE.search(word):
        return shlex.quote(word)
    escaped = re.sub(r"(['\\])", r"\\\1", word)
    return f"$'{_UNPRINTABLE.sub(_escape_bytes, escaped)}'"


def _escape_bytes(found):
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0]))


def _flag_of(word):
    """Returns the name of the flag that a word such as --lr=0.1 or --noplots sets."""
    return word.removeprefix("--").partition("=")[0]


def _as_flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{name}"
    if isinstance(value, float):
        # As it is typed: 60, not 60.0.
        value = repr(value).removesuffix(".0")
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return f"--{name}={','.join(value) if listed else value}"


def _as_input(path):
    """Returns a path as a word that is taken for an input, not for a flag or a home folder."""
    is_plain = path in BUILT_IN or os.path.isabs(path) or "://" in path
    return f"./{path}" if not is_plain and (path[:1] in "-~" or "=" in path) else path
