"""The one kind of error that the user can mend, and what its messages say."""

import difflib
import re
from collections.abc import Collection, Iterable


class UserError(ValueError):
    """Bad input. Its message is one clear line: the value, and what it must be.

    It is raised where the fact is known. A command prints it once and exits with code 2. Whatever
    was typed or read stands in the message in printable characters.

    Example:
      >>> str(UserError("no preset 'a\\nb'"))
      "no preset 'a\\\\nb'"
    """

    def __str__(self) -> str:
        return as_printable(super().__str__())


def as_printable(text: str) -> str:
    """Returns a text as one line of printable characters, with escapes for all others.

    Example:
      >>> print(as_printable("a\\033[31mb\\nc"))
      a\\x1b[31mb\\nc
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class StorageError(UserError):
    """A disk or a store that cannot be written to. It stops a run, whatever clip met it."""


def describe_error(error: BaseException) -> str:
    """Describes in one line why a clip failed: an error that nobody foresaw with its type.

    Example:
      >>> describe_error(UserError("it is silent")), describe_error(KeyError("tempo"))
      ('it is silent', "KeyError: 'tempo'")
    """
    if isinstance(error, UserError):
        return str(error)
    reason = reason_of(error)
    name = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__
    return name if reason == name else f"{name}: {reason}"


def reason_of(error: BaseException) -> str:
    """Returns what went wrong with a file in a few words, whatever library raised the error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def nearest_or_fail(
    kind: str, wanted: str, choices: Iterable[str], *, also: Iterable[str] = ()
) -> str:
    """Returns `wanted` if it is one of `choices`.

    Args:
      kind: what it is, in the message.
      wanted: what was asked for.
      choices: what there is.
      also: what may have been meant, too, and is not listed.

    Raises:
      UserError: it is not; the message names the nearest choice, and all of them.

    Example:
      >>> nearest_or_fail("layer", "relu1_1", ["conv1_1", "relu1_1"])
      'relu1_1'
    """
    choices = tuple(choices)
    if wanted in choices:
        return wanted
    lowered = {choice.lower(): choice for choice in (*choices, *also)}
    near = _find_nearest(str(wanted).lower(), lowered)
    meant = f" (did you mean {lowered[near]}?)" if near else ""
    raise UserError(f"no {kind} {wanted!r}{meant}; choose from: {', '.join(choices)}")


def find_choice(kind: str, wanted: str, choices: Iterable[str], *, also: Iterable[str] = ()) -> str:
    """Returns the one of `choices` that a text means, however it is written.

    Capitals, dashes, underscores, spaces and a point before it do not matter, unless several
    choices differ in these alone.

    Args:
      kind, wanted, choices, also: as for `nearest_or_fail`.

    Raises:
      UserError: as `nearest_or_fail`.

    Example:
      >>> find_choice("model", "GM-Robust", ["gm", "gm_robust"])
      'gm_robust'
    """
    choices = tuple(choices)
    if wanted not in choices:
        alike = [each for each in choices if simplify(each) == simplify(str(wanted))]
        wanted = alike[0] if len(alike) == 1 else wanted
    return nearest_or_fail(kind, wanted, choices, also=also)


def list_nearest(wanted: str, choices: Collection[str], *, most: int = 3) -> list[str]:
    """Returns the choices that are most like a text, the nearest one first.

    Example:
      >>> list_nearest("relu6_1", ["relu5_1", "conv1_1", "organ"])
      ['relu5_1']
    """
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(wanted.lower(), lowered, n=most)
    nearest = _find_nearest(wanted.lower(), lowered)
    return [lowered[each] for each in sorted(found, key=lambda each: each != nearest)]


def simplify(name: str) -> str:
    """Returns a name without what people leave out or add: capitals, dashes, a point before it.

    Example:
      >>> simplify(".L-BFGS")
      'lbfgs'
    """
    return re.sub(r"[-_\s]", "", name.strip().lstrip(".").lower())


def _find_nearest(wanted: str, choices: Collection[str]) -> str | None:
    """Returns the choice that is most like a text; of several, that with the nearest numbers."""
    near = difflib.get_close_matches(wanted, choices, n=max(1, len(choices)))
    ratios = [difflib.SequenceMatcher(None, each, wanted).ratio() for each in near]
    best = [each for each, ratio in zip(near, ratios) if ratio == max(ratios)]
    return min(best, key=lambda each: _count_apart(wanted, each), default=None)


def _count_apart(wanted: str, choice: str) -> int:
    """Returns how far the numbers in two texts are apart, place by place."""
    numbers = ([int(number) for number in re.findall(r"\d+", text)] for text in (wanted, choice))
    return sum(abs(a - b) for a, b in zip(*numbers))
