"""Prints on standard output and standard error, which may be closed, full, or read by nobody."""

import contextlib
import os
import sys

from dreamsound_jax.system.errors import UserError, as_printable, reason_of


def print_out(text: str) -> None:
    """Prints a text on standard output; nothing happens where nobody reads it, as in `| head`.

    Raises:
      UserError: it cannot be written, such as to a full disk.
    """
    if sys.stdout is None:  # The process was started without one.
        return
    try:
        print(text, flush=True)
    except OSError as error:
        give_up_output()
        if not isinstance(error, BrokenPipeError):
            raise UserError(f"standard output cannot be written to: {reason_of(error)}") from None


def give_up_output() -> None:
    """Discards what is still to be printed on standard output, which cannot be written to.

    Otherwise Python tries it again when it ends, and complains.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(line: str) -> None:
    """Prints a line on standard error, in printable characters, if it can be written to."""
    if sys.stderr is None:  # `print` would take standard output instead.
        return
    with contextlib.suppress(OSError, ValueError):
        print(as_printable(line), file=sys.stderr, flush=True)
