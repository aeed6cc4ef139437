"""Runs a command, and parses its command line as absl does and as users of the reference type it.

The flags themselves are defined elsewhere.
"""

import csv
import io
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped

BOOLEANS = {"true", "false", "t", "f", "1", "0", "yes", "no", "y", "n"}
QUOTE = "'"
INDENT = " " * 6
HELP = {"--help", "-help", "-h", "--helpshort", "--helpfull"}


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by kill or by the system; it ends as it does for Ctrl-C."""


def _terminate(number, frame):
    raise Terminated


def run(
    action: Callable[[], int | None], *, name: str, usage: str, stopped: str, module=None
) -> None:
    """Runs a command: parses its flags, calls `action`, and ends the program.

    A UserError is printed as one line on stderr, with exit code 2.

    Args:
      action: returns the exit code, or None for 0.
      name: of the command.
      usage: the first part of its help.
      stopped: the end of the line that is printed when the user stops it, unless what
        `action` was doing says more.
      module: the module that defines the command's own flags; by default the script.
    """

    def main(argv):
        del argv
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return action()
        except UserError as error:
            return complain(error, code=2)
        except Terminated as stop:
            return complain(f"stopped; {str(stop) or stopped}", code=143)
        except KeyboardInterrupt as stop:
            return complain(f"stopped; {str(stop) or stopped}", code=130)

    def parser(argv):
        try:
            return parse(argv, module=module or argv[0], usage=usage)
        except UserError as error:
            sys.exit(complain(error, code=2))

    def complain(error, *, code):
        print(f"{name}: {error}", file=sys.stderr)
        return code

    app.run(main, flags_parser=parser)


def parse(argv: list[str], *, module: str, usage: str) -> list[str]:
    """Parses `argv` into absl's FLAGS; a flag's values may also follow it as words.

    `--layers_to_use a b c` is `--layers_to_use=a,b,c`; `--crossfade False` is `--crossfade=False`;
    `--flagfile=NAME` also finds the flag files that come with the package. `--help` prints the help
    and ends the program.

    Raises:
      UserError: a flag is unknown, or cannot have its value, or a word belongs to no flag.
    """
    if HELP & set(argv[1:]):
        _end_quietly_if_nobody_reads()
        print(help_text(module, usage))
        sys.exit(0)
    try:
        rest = flags.FLAGS([argv[0], *find_flag_files(join_words(argv[1:]))])
    except flags.Error as error:
        raise UserError(f"{error} (--help lists the flags)") from None
    if rest[1:]:
        _take_as_inputs(rest[1:])
    return rest[:1]


def _take_as_inputs(words: list[str]) -> None:
    """Adds words that belong to no flag to the flag --input, if there is such a list."""
    takes_inputs = "input" in flags.FLAGS and isinstance(
        flags.FLAGS["input"].parser, flags.ListParser
    )
    for word in words:
        if word in configs() and not os.path.exists(word):
            raise UserError(f"{word!r} belongs to no flag; did you mean --preset={word}?")
        name, is_assignment, _ = word.partition("=")
        if not takes_inputs or is_assignment and name in {"", *flags.FLAGS}:
            hint = f"; did you mean --{word}?" if name in flags.FLAGS else ""
            raise UserError(
                f"{word!r} belongs to no flag{hint} (--help lists the flags; there must be no "
                "spaces around =)"
            )
    flag = flags.FLAGS["input"]
    flag.value = [*(flag.value if flag.present else []), *words]
    flag.present += 1


def value_of(name: str, word: str):
    """Returns the value of a flag that a word stands for; the items of a list are joined by `+`.

    Raises:
      UserError: the flag cannot have this value.
    """
    flag = flags.FLAGS[name]
    if isinstance(flag.parser, flags.ListParser):
        return word.split("+")
    try:
        return flag.parser.parse(word)
    except ValueError as error:
        raise UserError(f"--{name}={word}: {error}") from None


def _end_quietly_if_nobody_reads():
    """Ends without a traceback for `dreamsound --help | head`; Windows has no such signal."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def help_text(module: str, usage: str) -> str:
    """Returns the usage, then each flag that `module` defines, in its order, with its default."""
    lines = [usage.strip(), ""]
    for flag in flags.FLAGS.flags_by_module_dict()[module]:
        has_default = flag.default not in (None, [])
        default = f" (default {flag.default_as_str.strip(QUOTE)})" if has_default else ""
        # Without what absl adds: the choices, which the help explains, and a hint on repetition.
        help_text = re.sub(
            r"^<.*?>: |;\s+repeat this option to specify a list of values$", "", flag.help
        )
        help_lines = textwrap.wrap(help_text, 92, initial_indent=INDENT, subsequent_indent=INDENT)
        lines += [f"  --{'[no]' if flag.boolean else ''}{flag.name}{default}", *help_lines]
    return "\n".join([*lines, "  --flagfile", f"{INDENT}Read flags from a file, a line for each."])


def configs() -> list[str]:
    """Returns the names of the flag files that come with the package."""
    return sorted(path.stem for path in shipped("configs").glob("*.flags"))


def find_flag_files(arguments: list[str]) -> list[str]:
    """Points `--flagfile=NAME` at a shipped flag file, unless a file NAME exists."""
    return [
        f"--flagfile={_flag_file(value)}" if name in ("--flagfile", "-flagfile") else argument
        for argument in arguments
        for name, _, value in [argument.partition("=")]
    ]


def _flag_file(name):
    if os.path.isfile(name):
        return name
    ours = shipped("configs") / f"{Path(name).stem}.flags"
    if not ours.is_file():
        raise UserError(f"no flag file {name!r}; the presets are: {', '.join(configs())}")
    return str(ours)


def join_words(arguments: list[str]) -> list[str]:
    """Joins the words that follow a flag to it with `=`: all of them for a list, else one."""
    joined, position = [], 0
    while position < len(arguments):
        argument, position = arguments[position], position + 1
        words = _words_after(arguments, position)
        used = words[: _takes(argument, words)]
        position += len(used)
        joined.append(f"{argument}={_as_list(used)}" if used else argument)
    return joined


def _words_after(arguments, position):
    words = []
    for word in arguments[position:]:
        if word.startswith("-") and not _is_number(word):
            break
        words.append(word)
    return words


def _takes(argument, words):
    """Returns how many of the words that follow `argument` are its value."""
    name = argument.lstrip("-")
    flag = flags.FLAGS[name] if argument.startswith("-") and name in flags.FLAGS else None
    if flag is None:
        return 1 if argument in ("--flagfile", "-flagfile") else 0
    if flag.boolean:
        return int(bool(words) and words[0].lower() in BOOLEANS)
    return len(words) if isinstance(flag.parser, flags.ListParser) else min(1, len(words))


def _as_list(words):
    """Returns the words as one value; a file whose name has a comma in it stays one item."""
    if len(words) == 1 and not os.path.exists(words[0]):
        return words[0]
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(words)
    return row.getvalue()


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True
