"""The text that `--help` prints."""

import re
import textwrap
from collections.abc import Mapping, Sequence

from absl import flags

INDENT = " " * 6
QUOTE = "'"
OTHERS = "Other flags"


def help_text(module: str, usage: str, sections: Mapping[str, Sequence[str]] | None = None) -> str:
    """Returns the usage, then each flag that `module` defines, with its default.

    Args:
      module: the module that defines the flags.
      usage: the first part of the text.
      sections: {title: the flags under it}. Flags that are in none of them come last, in the order
        in which they are defined.
    """
    flags_of_module = flags.FLAGS.flags_by_module_dict()[module]
    defined = {flag.name: flag for flag in flags_of_module}
    lines = [usage.strip()]
    for title, names in _add_others(sections or {}, defined).items():
        lines += ["", *([f"{title}:", ""] if title else [])]
        lines += [line for name in names for line in _describe(defined[name])]
    return "\n".join([*lines, "  --flagfile", f"{INDENT}Read flags from a file, a line for each."])


def _add_others(sections, defined):
    placed = {name for names in sections.values() for name in names}
    others = [name for name in defined if name not in placed]
    found = {title: [n for n in names if n in defined] for title, names in sections.items()}
    return found | ({OTHERS if sections else "": others} if others else {})


def _describe(flag):
    has_default = flag.default not in (None, [])
    default = f" (default {flag.default_as_str.strip(QUOTE)})" if has_default else ""
    # Without what absl adds: the choices, which the help explains, and a hint on repetition.
    words = re.sub(r"^<.*?>: |;\s+repeat this option to specify a list of values$", "", flag.help)
    short = f"-{flag.short_name}, " if flag.short_name else ""
    return [
        f"  {short}--{'[no]' if flag.boolean else ''}{flag.name}{default}",
        *textwrap.wrap(words, 92, initial_indent=INDENT, subsequent_indent=INDENT),
    ]
