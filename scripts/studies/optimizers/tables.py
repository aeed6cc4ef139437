"""Rows of a comparison as CSV, and its summaries as tables for people."""

import csv
import io
import itertools
import math
import re
from typing import NamedTuple

from studies.optimizers.rows import COLUMNS
from studies.optimizers.statistics import Interval

_PLACE = ("setting", "optimizer", "phase", "lr", "seed", "input", "step")
_DREAM = _PLACE[:-1]


class Table(NamedTuple):
    """The optimizers of one setting, best first.

    Attributes:
      setting: its name.
      whole: whether it is over several settings.
      heads: (columns,) texts, without the columns that nothing is known of.
      cells: (optimizers, columns) texts.
      marks: (optimizers,): "baseline", "wins" or "".
    """

    setting: str
    whole: bool
    heads: list
    cells: list
    marks: list


def write_csv(rows):
    """CSV of rows (see `rows.COLUMNS`) in a fixed order: the same rows give the same text.

    Floats keep 9 digits; None is empty.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: [row[name] for name in _PLACE]):
        writer.writerow(_written(row.get(name), kind) for name, kind in COLUMNS.items())
    return file.getvalue()


def read_csv(text):
    """The rows that `write_csv` wrote, in its order."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    rows = [{name: _read(line[name], COLUMNS[name]) for name in COLUMNS} for line in lines]
    for row, following in itertools.zip_longest(rows, rows[1:]):
        last = following is None or any(row[name] != following[name] for name in _DREAM)
        row["ended"] = row["ended"] if last else None
    return rows


def tables(summaries):
    """A `Table` for each setting, in the order of their first appearance."""
    settings = dict.fromkeys(each.setting for each in summaries)
    return [_table(name, [s for s in summaries if s.setting == name]) for name in settings]


def markdown(summaries):
    """Tables in GitHub's markdown, one a setting: the baseline in italics, winners bold.

    A winner has more gain than the baseline at p < 0.05, corrected.
    """
    return "\n".join(_markdown(table) for table in tables(summaries))


def number(value):
    """In 3 significant digits; "–" for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"
    return re.sub("e([+-])0*", lambda e: f"e{e[1].strip('+')}", text).replace("-", "−")


def _written(value, kind):
    if value is None:
        return ""
    return f"{float(value):.9g}" if kind is float else str(kind(value))


def _read(text, kind):
    return kind(text) if text or kind is str else None


def _table(setting, summaries):
    best_first = sorted(summaries, key=_badness)
    rows = [_cells(each) for each in best_first]
    known = [name for name in rows[0] if any(row[name].strip("– →") for row in rows)]
    return Table(
        setting=setting,
        whole=summaries[0].gain is None,
        heads=known,
        cells=[[row[name] for name in known] for row in rows],
        marks=["baseline" if each.p is None else "wins" * each.wins for each in best_first],
    )


def _badness(summary):
    """What has no ratio comes last; the baseline before its equals."""
    times = summary.times.median
    return (math.isnan(times), -times, summary.p is not None, summary.optimizer)


def _cells(summary):
    return {
        "optimizer": summary.optimizer,
        "lr": number(summary.lr),
        "gain (95% interval)": _interval(summary.gain),
        "× baseline (95% interval)": _interval(summary.times),
        "p (corrected)": _chance(summary.p),
        "moved (dB)": number(summary.moved_db),
        "log-spectral distance (dB)": number(summary.distance_db),
        "overcooked → written (dB)": _pair(summary.overcooked_db, summary.overcooked_written_db),
        "p(class) → written": _pair(summary.p_class, summary.p_written),
        "Fréchet": number(summary.frechet),
        "time ×": number(summary.cost),
        "memory ×": number(summary.memory),
        "failed": f"{summary.failed}/{summary.dreams}",
    }


def _interval(interval: Interval | None):
    if interval is None or math.isnan(interval.median):
        return "–"
    return f"{number(interval.median)} ({number(interval.low)} to {number(interval.high)})"


def _pair(before, after):
    return f"{number(before)} → {number(after)}"


def _chance(p):
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else number(round(p, 3))


def _markdown(table):
    lines = [f"### {_safe(table.setting)}\n"] if table.setting else []
    lines += [f"| {' | '.join(table.heads)} |", "|---" + "|---:" * (len(table.heads) - 1) + "|"]
    stars = {"baseline": "*", "wins": "**", "": ""}
    for (name, *cells), mark in zip(table.cells, table.marks):
        marked = f"{stars[mark]}{_safe(name)}{stars[mark]}"
        lines.append(f"| {' | '.join([marked, *cells])} |")
    return "\n".join(lines) + "\n"


def _safe(name):
    """No name ends a cell, becomes a tag or changes the type."""
    for letter in "\\`*<|[":
        name = name.replace(letter, "\\" + letter)
    return name
