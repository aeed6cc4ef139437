"""The tables in docs follow from the data beside them."""

from pathlib import Path

import pandas as pd
import pytest

from studies.optimizers.statistics import summarise
from studies.optimizers.steps import read_csv
from studies.optimizers.tables import make_tables

DOCS = Path(__file__).parents[2] / "docs"


def read_tables(page):
    """Reads {setting: {optimizer: {header: cell}}} from a page of Markdown."""
    found, setting, headers = {}, "", None
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("### "):
            setting = line[4:]
        if line.startswith("| optimizer"):
            headers = cells
        elif line.startswith("| ---"):
            continue
        elif line.startswith("|") and headers:
            found.setdefault(setting, {})[cells[0].strip("*")] = dict(zip(headers, cells))
        else:
            headers = None
    return found


@pytest.mark.parametrize("name", ["optimizers", "optimizers_mel"])
def test_published_tables_are_those_of_the_published_dreams(name):
    ends = read_csv((DOCS / f"{name}.csv").read_text(encoding="utf-8"))
    published = read_tables(DOCS / f"{name}.md")
    costs = pd.DataFrame(columns=["setting", "optimizer"])
    tables = make_tables(summarise(ends, costs, baseline="sgd"))
    if len(tables) > 1:
        tables += make_tables(summarise(ends, costs, baseline="sgd", over_settings=True))
    assert set(published) == {table.setting for table in tables}
    for table in tables:
        assert set(published[table.setting]) == {row[0] for row in table.rows}
        for optimizer, *cells in table.rows:
            expected = dict(zip(table.headers[1:], cells))
            row = published[table.setting][optimizer]
            assert {header: row[header] for header in expected} == expected
