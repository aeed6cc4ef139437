"""Ranges in the text of an objective: channel(relu3_4, 0:64) stands for 64 objectives."""

import itertools
import math
import re

from dreamsound_jax.system.errors import UserError

# An argument that is a range, with what is before and behind it; and what stands in quotes.
_RANGE = re.compile(r"""(?<=[(,=])(\s*)(\d+):(\d+)(\s*)(?=[,)])""")
_QUOTED = re.compile(r"""\"[^\"]*\"|'[^']*'""")

MOST = 10_000  # More clips than this are a slip of the pen.


def expand_ranges(text: str) -> tuple[str, ...]:
    """Returns the objectives that a text with ranges stands for, the last range changing fastest.

    A range `0:64` runs from its first number to the one before its last.

    Raises:
      UserError: a range is empty, or there are more than `MOST` objectives.

    Example:
      >>> expand_ranges("channel(relu3_4, 3:5)")
      ('channel(relu3_4, 3)', 'channel(relu3_4, 4)')
    """
    masked = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), text)
    found = list(_RANGE.finditer(masked))
    ranges = [range(int(match[2]), int(match[3])) for match in found]
    for each in ranges:
        if not each:
            given = f"{each.start}:{each.stop}"
            raise UserError(f"--objective: the range {given} must end after it begins, as 0:8 does")
    count = math.prod(each.stop - each.start for each in ranges)
    if count > MOST:
        raise UserError(
            f"--objective: the ranges stand for {count} clips: make them shorter, for at most "
            f"{MOST} clips"
        )
    places = [(match.start(2), match.end(3)) for match in found]
    return tuple(_fill(text, places, numbers) for numbers in itertools.product(*ranges))


def _fill(text, places, numbers):
    """Returns a text with a number in each of these places."""
    parts, end = [], 0
    for (start, stop), number in zip(places, numbers):
        parts += [text[end:start], str(number)]
        end = stop
    return "".join([*parts, text[end:]])


def split_objectives(text: str) -> list[str]:
    """Splits objectives at the commas between them, not at those in parentheses or quotes.

    Example:
      >>> split_objectives("channel(relu3_4, 1),layer(relu1_1)")
      ['channel(relu3_4, 1)', 'layer(relu1_1)']
    """
    parts, depth, quote, start = [], 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in [*parts, text[start:]] if part]
