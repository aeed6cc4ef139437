"""The text that `--help` prints."""

import re
import textwrap
from collections.abc import Mapping, Sequence

from absl import flags

INDENT = " " * 6
QUOTE = "'"
OTHERS = "Other flags"
FLAG_FILE = ("  --flagfile", f"{INDENT}Read flags from a file, a line for each.")


def help_text(module: str, usage: str, sections: Mapping[str, Sequence[str]] | None = None) -> str:
    """Returns the usage, then each flag that `module` defines, with its default.

    Args:
      module: the module that defines the flags.
      usage: the first part of the text.
      sections: {title: the flags under it}. Flags that are in none of them come last, in the order
        in which they are defined.
    """
    flags_of_module = flags.FLAGS.flags_by_module_dict()[module]
    waiting = {flag.name: flag for flag in flags_of_module}
    lines = [usage.strip()]
    for title, names in (sections or {}).items():
        found = [waiting.pop(name) for name in names if name in waiting]
        lines += ["", f"{title}:", "", *_describe_all(found)]
    lines += ["", f"{OTHERS}:", ""] if sections else [""]
    return "\n".join([*lines, *_describe_all(waiting.values()), *FLAG_FILE])


def _describe_all(found):
    return [line for flag in found for line in _describe(flag)]


def _describe(flag):
    # Without what absl adds: the choices, which the help explains, and a hint on repetition.
    words = re.sub(r"^<.*?>: |;\s+repeat this option to specify a list of values$", "", flag.help)
    short = f"-{flag.short_name}, " if flag.short_name else ""
    has_default = not (flag.default is None or flag.default is False or flag.default == [])
    default = f" (default {flag.default_as_str.strip(QUOTE)})" if has_default else ""
    name = f"[no]{flag.name}" if flag.boolean and flag.default else flag.name
    return [
        f"  {short}--{name}{default}",
        *textwrap.wrap(words, 92, initial_indent=INDENT, subsequent_indent=INDENT),
    ]
