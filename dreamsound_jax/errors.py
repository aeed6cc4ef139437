"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """Bad input. Its message is one clear line: the value, and what would be accepted.

    Raised where the fact is known; printed once, by the command, which then exits with code 2.
    """


def reason_of(error):
    """What went wrong with a file, in a few words, whatever library raised `error`."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
