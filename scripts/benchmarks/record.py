"""Results for people and for machines: tables as text, and the newest of each device in two files.

`results` are {part: {kind of device: {"command", "date", "device", "seconds", "tables"}}}, as JSON
has them.
"""

import json
from pathlib import Path

from benchmarks.table import Table
from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import UserError, reason_of
from studies.report import format_number

KINDS = {"cpu": "CPU", "gpu": "GPU", "tpu": "TPU"}
UNKNOWN = "not measured"
COMMAND = "python scripts/benchmark.py"
HEAD = f"""# Benchmarks

Written by `{COMMAND} --record`: the newest results of each part and kind of device, as they were
measured. The same numbers for machines: [docs/benchmark.json](docs/benchmark.json).
"""


def entry(tables, *, command, date, device, seconds):
    """What is kept of a part that was measured in so many seconds."""
    return {
        "command": command,
        "date": date,
        "device": device,
        "seconds": round(seconds, 1),
        "tables": json.loads(json.dumps([table._asdict() for table in tables])),
    }


def read(path):
    """The results in a file; {} if there is none yet; UserError if it holds something else."""
    path = Path(path)
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        page(results, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"cannot read {path} ({reason_of(error)}); accepted is what --record wrote"
        raise UserError(told) from None
    return results


def write_json(path, results):
    """Writes the results, whole or not at all."""
    storage.write_whole(str(path), (json.dumps(results, indent=1) + "\n").encode())


def results_path(folder):
    """Where the newest results are kept."""
    return Path(folder) / "docs" / "benchmark.json"


def update(folder, part, kind, found, *, parts):
    """Puts an `entry` in the place of the last one of its part and kind, in both files.

    Args:
      folder: the top of the repository.
      part, kind: of `found`.
      found: an `entry`.
      parts: {part: what it measures}, in their order on the page.
    """
    path = results_path(folder)
    results = read(path)
    results.setdefault(part, {})[kind] = found
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, results)
    storage.write_whole(str(Path(folder) / "BENCHMARKS.md"), page(results, parts).encode())


def page(results, parts):
    """BENCHMARKS.md."""
    known = parts | dict.fromkeys(sorted(results.keys() - parts.keys()), "")
    return "\n".join([HEAD, *(_part(name, told, results) for name, told in known.items())])


def _part(name, told, results):
    of_part = results.get(name, {})
    sections = [_of_kind(name, kind, of_part.get(kind)) for kind in KINDS]
    return "\n".join([f"## {name}: {told}" if told else f"## {name}", "", *sections])


def _of_kind(part, kind, found):
    if not found:
        return f"{KINDS[kind]}: not measured; `{COMMAND} --parts={part} --record` measures it.\n"
    told = f"{KINDS[kind]}: `{found['command']}`, {found['date']}, {found['device']}\n"
    return "\n".join([told, *(text(Table(**table)) for table in found["tables"])])


def text(table):
    """A `Table` as markdown whose columns stand below each other in a terminal, too."""
    rows = [[_cell(value) for value in row] for row in [table.columns, *table.rows]]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    head, *lines = [_line(row, widths) for row in rows]
    rule = _line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], widths)
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", head, rule, *lines, "", *notes, ""])


def _line(cells, widths):
    first, *rest = (cell.ljust(width) for cell, width in zip(cells, widths))
    return f"| {' | '.join([first, *(cell.strip().rjust(len(cell)) for cell in rest)])} |"


def _cell(value):
    """Text as it is; numbers in three digits; a `Spread`, or the list that it became, with both
    ends.
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format_number(value)
    median, lowest, highest = map(format_number, value)
    return f"{median} ({lowest} to {highest})"
