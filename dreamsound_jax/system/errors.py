"""The one kind of error that is the user's to mend, and what its messages say."""

import difflib


class UserError(Exception):
    """Bad input. Its message is one clear line: the value, and what would be accepted.

    Raised where the fact is known; printed once, by the command, which then exits with code 2.
    """


def reason_of(error):
    """What went wrong with a file, in a few words, whatever library raised `error`."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def nearest_or_fail(kind, wanted, choices):
    """`wanted` if it is one of `choices`, else UserError with the nearest and all choices."""
    if wanted in choices:
        return wanted
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(wanted.lower(), lowered, n=1)
    meant = f" (did you mean {lowered[near[0]]}?)" if near else ""
    raise UserError(f"no {kind} {wanted!r}{meant}; choose from: {', '.join(choices)}")
