"""What the reports of all studies share: the facts of a run, Markdown tables, and pages.

A page has a head, which a person writes, above a mark; a program writes what is below the mark.
"""

import datetime
import math
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax

UNKNOWN = "–"


def describe_run() -> dict[str, str]:
    """Describes the running program: its command, the date, and the device."""
    device = jax.devices()[0].device_kind
    return {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "device": f"{device}, {os.cpu_count()} cores; JAX {jax.__version__}",
    }


def write_page(path: Path, mark: str, blocks: Iterable[str], *, title: str) -> None:
    """Replaces what is below the mark in a Markdown page, and keeps the head above it.

    Args:
      path: The page; a new page gets the title as its head.
      mark: The line that separates the head from the rest.
      blocks: What is written below the mark; blank lines separate the blocks.
      title: The heading of a new page.
    """
    head = f"# {title}\n\n"
    if path.exists():
        head = path.read_text(encoding="utf-8").partition(mark)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join([f"{head}{mark}", *blocks]) + "\n", encoding="utf-8")


def replace_part(path: Path, name: str, text: str) -> None:
    """Replaces a part of a Markdown page, which stands between two comments with its name.

    Args:
      path: The page; a part that it lacks is added at its end.
      name: The name of the part.
      text: What is written between the comments.
    """
    begin, end = f"<!-- {name}: written by a script -->", f"<!-- end of {name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    before, found, rest = page.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    if not found and before:
        before = f"{before.rstrip()}\n\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1) -> str:
    """Formats a table in GitHub's Markdown.

    Args:
      headers: The names of the columns.
      rows: The cells of each row.
      names: So many columns at the left hold names; the others, of numbers, are aligned right.
    """
    rules = ["---"] * names + ["---:"] * (len(headers) - names)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, rules, *rows))


def escape_markdown(text: str) -> str:
    """Escapes the characters that would end a cell, open a tag or change the typeface."""
    return re.sub(r"([\\`*<|\[])", r"\\\1", text)


def format_number(value: float | None) -> str:
    """Formats a number with three significant digits; NaN and None become a dash."""
    if value is None or math.isnan(value):
        return UNKNOWN
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"
    return re.sub("e([+-])0*", lambda exponent: f"e{exponent[1].strip('+')}", text).replace(
        "-", "−"
    )
