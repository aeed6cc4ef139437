"""Says what is wrong with a number on the command line, and how it is written."""

import re

from absl import flags

from dreamsound_jax.system.errors import UserError

_WITH_COMMA = re.compile(r"[+-]?\d*,\d+")
_WITH_UNIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*(%|[A-Za-z]+)")


def check_number(name: str, word: str) -> None:
    """Raises UserError if a flag takes a number, and a word is none.

    The message says how the number is written, where that can be seen: with a point for a comma,
    and without a unit.
    """
    parser = flags.FLAGS[name].parser
    if not isinstance(parser, flags.FloatParser | flags.IntegerParser) or _converts(parser, word):
        return
    kind = "a number" if isinstance(parser, flags.FloatParser) else "a whole number"
    meant = _find_number(parser, word)
    hint = f"; did you mean --{name}={meant}?" if meant is not None else ""
    raise UserError(f"--{name} must be {kind}, and is {word!r}{hint}")


def _converts(parser, word):
    try:
        parser.convert(word)
    except (TypeError, ValueError):
        return False
    return True


def _find_number(parser, word):
    """Returns the number that a word was meant to be, as it is written; None if there is none."""
    word = word.strip()
    with_unit = _WITH_UNIT.fullmatch(word)
    if _WITH_COMMA.fullmatch(word):
        meant = word.replace(",", ".")
    elif with_unit and with_unit[2] == "%" and parser.upper_bound == 1:
        meant = f"{float(with_unit[1]) / 100:g}"
    elif with_unit:
        meant = with_unit[1]
    else:
        return None
    return meant if _converts(parser, meant) else None
