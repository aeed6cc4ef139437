"""Keeps results: as JSON for each part and kind of device, and on the page BENCHMARKS.md.

The page keeps the newest figures of each part and kind of device: to record some leaves the others
as they are.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import Table, format_table
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import write_json, write_whole

KINDS = ("CPU", "GPU", "TPU")
COMMAND = "python scripts/benchmark.py"
TITLE = "# Benchmarks"
HEAD = f"""{TITLE}

`{COMMAND} --record` writes this page: for each part and kind of device, the newest figures as they
were measured. It measures what `--parts` names, and leaves the other figures as they are. Each run
also writes its figures as JSON to outputs/benchmarks, which Git ignores.

Times are medians, followed by the fastest and the slowest round. What is compared takes turns, and
ratios compare each round by itself.
"""


def save_json(folder: Path, part: str, kind: str, tables: list[Table], facts: dict) -> None:
    """Writes the tables of a part and facts about the run: outputs/benchmarks/PART-KIND.json."""
    place = Path(folder) / "outputs" / "benchmarks"
    place.mkdir(parents=True, exist_ok=True)
    entries = facts | {"part": part, "tables": [table._asdict() for table in tables]}
    write_json(place / f"{part}-{kind.lower()}.json", entries)


def record(
    folder: Path, part: str, kind: str, tables: list[Table], facts: dict, *, parts: Mapping
) -> None:
    """Puts the tables of a part in the place of its older figures for a kind of device.

    Args:
      folder: the folder of BENCHMARKS.md.
      part: the name of the part.
      kind: one of KINDS.
      tables: what was measured.
      facts: the "command", the "date" and the "device" of the run.
      parts: {part: what it measures}, in the order of the page.

    Raises:
      UserError: the page cannot be read or written, or is something else.
    """
    sections = read_page(folder)
    source = f"`{facts['command']}`, {facts['date']}, {facts['device']}\n"
    sections.setdefault(part, {})[kind] = "\n".join([source, *map(format_table, tables)])
    write_whole(Path(folder) / "BENCHMARKS.md", _format_page(sections, parts).encode())


def read_page(folder: Path) -> dict[str, dict[str, str]]:
    """Returns {part: {kind: its text}} of what BENCHMARKS.md has; {} if there is no page yet.

    Raises:
      UserError: the page cannot be read, or is something else.
    """
    path = Path(folder) / "BENCHMARKS.md"
    try:
        page = path.read_text(encoding="utf-8") if path.exists() else TITLE
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from None
    if not page.startswith(TITLE):
        raise UserError(f"{path} must be a page that --record wrote, and begin with {TITLE!r}")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    return {re.split(r"[:\n]", section)[0]: _split_section(section) for section in sections}


def _split_section(section):
    """Returns {kind: text} of the kinds of devices that were measured."""
    _, *pieces = re.split(rf"^({'|'.join(KINDS)}): ", section, flags=re.MULTILINE)
    found = zip(pieces[::2], pieces[1::2])
    return {kind: text.rstrip() + "\n" for kind, text in found if text.startswith("`")}


def _format_page(sections, parts):
    lines = [HEAD]
    for name in [*parts, *sorted(sections.keys() - parts.keys())]:
        lines.append(f"## {name}: {parts[name]}\n" if name in parts else f"## {name}\n")
        for kind in KINDS:
            unknown = f"not measured; `{COMMAND} --parts={name} --record` measures it.\n"
            lines.append(f"{kind}: {sections.get(name, {}).get(kind, unknown)}")
    return "\n".join(lines)
