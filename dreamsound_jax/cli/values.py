"""The values of flags as people type them: choices in capitals, yes and no, and numbers."""

from absl import flags

from dreamsound_jax.cli.numbers import check_number
from dreamsound_jax.run.spelling import find_value
from dreamsound_jax.system.errors import UserError

TRUE, FALSE = {"true", "t", "1", "yes", "y", "on"}, {"false", "f", "0", "no", "n", "off"}


def find_typed(name: str, word: str) -> str:
    """Returns the value of a flag as absl reads it, of the word that was typed.

    Raises:
      UserError: the flag has no such choice, or takes a number or a switch, and the word is none.
    """
    parser, is_switch = flags.FLAGS[name].parser, flags.FLAGS[name].boolean
    choices = getattr(parser, "enum_values", None)
    if is_switch and word.lower() in TRUE | FALSE:
        return "true" if word.lower() in TRUE else "false"
    if choices:
        return find_value(name, word, choices)
    if is_switch:
        raise UserError(f"--{name} must be true or false, and is {word!r}")
    check_number(name, word)
    return word


def is_value(name: str, word: str) -> bool:
    """Returns whether a word after a flag that may stand alone is its value."""
    try:
        find_typed(name, word)
    except UserError:
        return False
    return True
