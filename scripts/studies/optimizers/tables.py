"""Summaries of a comparison as tables of text, for a page of Markdown or HTML."""

from typing import NamedTuple

import pandas as pd

from studies.optimizers.statistics import INTERVAL_LEVEL
from studies.report import UNKNOWN, escape_markdown, format_number, markdown_table

INTERVAL = f"{INTERVAL_LEVEL:.0%} interval"
NO_PAIR = f"{UNKNOWN} → {UNKNOWN}"


class Table(NamedTuple):
    """The optimizers of one setting, the best first.

    Attributes:
      setting: The name of the setting.
      headers: The names of the columns of which anything is known.
      rows: The texts of each optimizer; the first is its name.
      marks: "baseline", "wins" or "" for each optimizer.
    """

    setting: str
    headers: list[str]
    rows: list[list[str]]
    marks: list[str]


def make_tables(summary: pd.DataFrame) -> list[Table]:
    """Makes the table of each setting of a summary, in the order in which they appear."""
    return [_make_table(name, rows) for name, rows in summary.groupby("setting", sort=False)]


def format_markdown(summary: pd.DataFrame) -> str:
    """Formats a summary as Markdown: the baseline in italics, winners in bold.

    A winner gains more than the baseline with a corrected p below `SIGNIFICANT`.
    """
    return "\n\n".join(map(_format_table, make_tables(summary)))


def _make_table(setting, summary):
    ordered = summary.sort_values(
        ["ratio", "is_baseline", "optimizer"], ascending=[False, False, True], na_position="last"
    )
    texts = pd.DataFrame([_format_row(row) for row in ordered.itertuples()])
    known = texts.columns[~texts.isin([UNKNOWN, NO_PAIR]).all()]
    marks = [
        "baseline" if row.is_baseline else "wins" if row.wins else ""
        for row in ordered.itertuples()
    ]
    return Table(setting, list(known), texts[known].to_numpy().tolist(), marks)


def _format_row(row):
    return {
        "optimizer": row.optimizer,
        "learning rate": format_number(row.lr),
        f"gain ({INTERVAL})": _format_interval(row.gain, row.gain_low, row.gain_high),
        f"× baseline ({INTERVAL})": _format_interval(row.ratio, row.ratio_low, row.ratio_high),
        "p (corrected)": "< 0.001" if row.p < 0.001 else format_number(round(row.p, 3)),
        "moved (dB)": format_number(row.moved_db),
        "log-spectral distance (dB)": format_number(row.distance_db),
        "overcooked → written (dB)": _format_pair(row.overcooked_db, row.overcooked_written_db),
        "p(class) → written": _format_pair(row.p_class, row.p_written),
        "Fréchet": format_number(row.frechet),
        "time ×": format_number(row.cost),
        "memory ×": format_number(row.memory),
        "failed": f"{row.failed}/{row.dreams}",
        "inputs": str(row.inputs),
    }


def _format_interval(middle, low, high):
    if pd.isna(low):
        return format_number(middle)
    return f"{format_number(middle)} ({format_number(low)} to {format_number(high)})"


def _format_pair(before, after):
    return f"{format_number(before)} → {format_number(after)}"


def _format_table(table):
    stars = {"baseline": "*", "wins": "**", "": ""}
    rows = [
        [f"{stars[mark]}{escape_markdown(name)}{stars[mark]}", *cells]
        for (name, *cells), mark in zip(table.rows, table.marks)
    ]
    heading = f"### {escape_markdown(table.setting)}\n\n" if table.setting else ""
    return heading + markdown_table(table.headers, rows)
