"""Runs a command, and parses its command line as absl does and as users of the reference type it.

The flags themselves are defined elsewhere.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app, flags

from dreamsound_jax.cli.flag_files import read_flag_files
from dreamsound_jax.cli.given_once import find_given_twice
from dreamsound_jax.cli.help import help_text
from dreamsound_jax.cli.names import check_dash, find_name, use_own_names
from dreamsound_jax.cli.values import find_typed
from dreamsound_jax.cli.words import join_inputs, join_words, takes_inputs
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import preset_names
from dreamsound_jax.system.standard_streams import print_error, print_out
from dreamsound_jax.system.stopping import Stopped, begin_work, end, listen

HELP = {"--help", "-help", "-h", "--helpshort", "--helpfull"}


class ChoiceFlag(flags.EnumFlag):
    """A flag with choices that may stand alone: `--video` is `--video=wide`, `--novideo` is none.

    Args:
      name: of the flag.
      choices: its values.
      metadata: `help`, and `bare`, the value that the flag alone stands for.
    """

    def __init__(self, name: str, choices: list[str], metadata: Mapping[str, Any]):
        super().__init__(name, None, metadata["help"], choices)
        self.boolean, self._bare = True, metadata["bare"]

    def parse(self, argument: str | None) -> None:
        """Takes a value; absl says true for the flag alone, and false after `no`."""
        if argument == "false":
            self.unparse()
            return
        super().parse(self._bare if argument == "true" else argument)

    def serialize(self) -> str:
        """Returns the flag as it is typed; "" without a value."""
        return f"--{self.name}={self.value}" if self.value else ""


def run(
    action: Callable[[], int | None],
    *,
    name: str,
    usage: str,
    stopped: str,
    module=None,
    sections: Mapping[str, Sequence[str]] | None = None,
    begins_work: bool = True,
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
      sections: of the help, {title: the flags under it}.
      begins_work: whether `action` has something to end well from its start; otherwise it calls
        `begin_work` itself, and a signal before that ends the program at once.
    """

    def main(argv):
        del argv
        if begins_work:
            begin_work()
        try:
            return action()
        except UserError as error:
            return complain(error, code=2)
        except Stopped as stop:
            end(complain(f"stopped; {str(stop) or stopped}", code=stop.code))

    def parser(argv):
        try:
            return parse(argv, module=module or argv[0], usage=usage, sections=sections)
        except UserError as error:
            sys.exit(complain(error, code=2))

    def complain(error, *, code):
        print_error(f"{name}: {error}")
        return code

    listen(name)
    app.run(main, flags_parser=parser)


def parse(
    argv: list[str],
    *,
    module: str,
    usage: str,
    sections: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Parses `argv` into absl's FLAGS; a flag's values may also follow it as words.

    `--layers_to_use a b c` is `--layers_to_use=a,b,c`; `--crossfade False` is `--crossfade=False`;
    `--learning-rate 0.1` is `--lr=0.1`; `--flagfile=NAME` also finds the flag files that come with
    the package. `--help` prints the help and ends the program.

    Raises:
      UserError: a flag is unknown, or cannot have its value, or a word belongs to no flag.
    """
    if HELP & set(argv[1:]):
        _end_quietly_if_nobody_reads()
        print_out(help_text(module, usage, sections))
        sys.exit(0)
    try:
        typed = join_inputs(join_words(use_own_names(argv[1:])))
        for line in find_given_twice(typed):
            print_error(line)
        words = read_flag_files(typed)
        rest = flags.FLAGS([argv[0], *_respell(words)])
    except UserError:
        raise
    except (flags.Error, ValueError) as error:  # absl raises both.
        raise UserError(f"{error} (--help lists the flags)") from None
    if rest[1:]:
        _take_as_inputs(rest[1:])
    return rest[:1]


def _respell(words):
    """Returns the words of a command line with each value as absl reads it."""
    end = words.index("--") if "--" in words else len(words)
    return [_respell_one(word) for word in words[:end]] + words[end:]


def _respell_one(word):
    name, is_assignment, value = word.removeprefix("--").partition("=")
    if not (word.startswith("--") and is_assignment and name in flags.FLAGS):
        return word
    return f"--{name}={find_typed(name, value)}"


def _take_as_inputs(words: list[str]) -> None:
    """Adds words that belong to no flag to the flag --input, if there is such a list."""
    for word in words:
        check_dash(word)
        if word in preset_names() and not os.path.exists(word):
            raise UserError(f"{word!r} belongs to no flag; did you mean --preset={word}?")
        name, is_assignment, _ = word.partition("=")
        meant = find_name(name)
        if not takes_inputs() or is_assignment and (meant or not name):
            hint = f"; did you mean --{meant}{word.removeprefix(name)}?" if meant else ""
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
        return flag.parser.parse(find_typed(name, word))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--{name}={word}: {error}") from None


def _end_quietly_if_nobody_reads():
    """Ends without a traceback for `dreamsound --help | head`; Windows has no such signal."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
