"""The results of a comparison: a CSV file, tables, pictures, and a page with the sounds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from studies.optimizers import page, plots, tables
from studies.optimizers.statistics import summarise
from studies.optimizers.steps import select_ends, write_csv
from studies.optimizers.variants import BASELINE
from studies.report import write_page

MARK = "<!-- what follows is written by scripts/compare_optimizers.py -->"
CAPTIONS = {
    "trade": "What is gained, for how far a dream moves: further up and to the left is better",
    "climb": "The climb of the test dreams, over steps and over time",
    "sensitivity": "What is gained at each learning rate",
}
DRAW = {
    "trade": plots.draw_trade,
    "climb": plots.draw_climb,
    "sensitivity": plots.draw_sensitivity,
}
ON_PAGE = ("trade", "climb")  # These pictures are shown on the Markdown page.


class Report(NamedTuple):
    """What a comparison found.

    Attributes:
      table: The steps of all dreams, see `steps.COLUMNS`.
      overall: The summary over all settings of each domain; empty if there is one setting.
      each: The summary of each setting.
      pictures: PNGs by the names of `CAPTIONS`.
      facts: Facts of the run by their names, one of them "command".
    """

    table: pd.DataFrame
    overall: pd.DataFrame
    each: pd.DataFrame
    pictures: Mapping[str, bytes]
    facts: Mapping[str, str]


def make_report(table: pd.DataFrame, costs: pd.DataFrame, facts: Mapping[str, str]) -> Report:
    """Summarises and draws a comparison.

    Args:
      table: The steps of all dreams, see `steps.COLUMNS`.
      costs: The costs of each optimizer in each setting, see `statistics.summarise` and
        `plots.draw_climb`.
      facts: Facts of the run, see `Report`.
    """
    each = summarise(table, costs, baseline=BASELINE)
    overall = summarise(table, costs, baseline=BASELINE, over_settings=True)
    if each["setting"].nunique() == 1:
        overall = overall[:0]
    pictures = {name: draw(table, costs, baseline=BASELINE) for name, draw in DRAW.items()}
    return Report(table, overall, each, pictures, facts)


def write_folder(folder: Path, report: Report, clips: Iterable[page.Clip]) -> None:
    """Writes results.csv, tables.md, pictures, and index.html, which also plays the clips."""
    html = page.make_page(
        title="Optimizers that dream",
        facts=report.facts,
        pictures={CAPTIONS[name]: png for name, png in report.pictures.items()},
        tables=[*tables.make_tables(report.overall), *tables.make_tables(report.each)],
        clips=clips,
    )
    for name, png in report.pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    (folder / "results.csv").write_text(write_csv(report.table), encoding="utf-8")
    (folder / "tables.md").write_text("\n\n".join(_format_tables(report)) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(html, encoding="utf-8")


def write_markdown(path: Path, report: Report) -> None:
    """Writes a Markdown page below its mark, and two pictures and a CSV file beside it.

    The CSV file has the last steps of the test dreams, from which the tables were computed.
    """
    facts = [f"- {name}: {text}" for name, text in report.facts.items() if name != "command"]
    pictures = [f"![{CAPTIONS[name]}]({path.stem}_{name}.png)" for name in ON_PAGE]
    data = f"The last steps of the test dreams are in [{path.stem}.csv]({path.stem}.csv)."
    first, *others = _format_tables(report)
    command = f"    {report.facts['command']}"
    blocks = [command, "\n".join(facts), data, first, *pictures, *others]
    write_page(path, MARK, blocks, title="Optimizers")
    for name in ON_PAGE:
        path.with_name(f"{path.stem}_{name}.png").write_bytes(report.pictures[name])
    ends = write_csv(select_ends(report.table, "test"))
    path.with_suffix(".csv").write_text(ends, encoding="utf-8")


def _format_tables(report):
    """Formats the summary over all settings, if there is one, and that of each setting."""
    summaries = [report.overall, report.each]
    return [tables.format_markdown(summary) for summary in summaries if len(summary)]
