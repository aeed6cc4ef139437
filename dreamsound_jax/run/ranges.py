"""Ranges in the text of an objective: channel(relu3_4, 0:64) stands for 64 objectives."""

import itertools
import math
import re

from dreamsound_jax.system.errors import UserError

# An argument that is a range, with what is before and behind it.
_RANGE = re.compile(r"""(?<=[(,=])(\s*)(\d+):(\d+)(\s*)(?=[,)])""")

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
    pieces = _RANGE.split(text)
    ranges = []
    for first, last in zip(pieces[2::5], pieces[3::5]):
        ranges.append(range(int(first), int(last)))
        if int(last) <= int(first):
            raise UserError(f"--objective: the range {first}:{last} must end after it begins")
    count = math.prod(each.stop - each.start for each in ranges)
    if count > MOST:
        raise UserError(
            f"--objective: the ranges stand for {count} objectives, and at most {MOST} are possible"
        )
    return tuple(_fill(pieces, numbers) for numbers in itertools.product(*ranges))


def _fill(pieces, numbers):
    parts = [pieces[0]]
    for number, place in zip(numbers, range(1, len(pieces), 5)):
        before, _, _, behind, text = pieces[place : place + 5]
        parts += [before, str(number), behind, text]
    return "".join(parts)


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
