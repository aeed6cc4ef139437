"""Timing in turns, and tables of results as markdown."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import jax
import numpy as np


class Spread(NamedTuple):
    """The median, the lowest and the highest of several numbers."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Returns the spread of numbers, one for each round."""
        return cls(float(np.median(values)), float(np.min(values)), float(np.max(values)))


class Table(NamedTuple):
    """A table of results.

    Attributes:
      title: a line.
      columns: the heads of the columns, with units.
      rows: lists of text, numbers and `Spread`s; None means "not measured".
      notes: sentences that stand below it.
    """

    title: str
    columns: list
    rows: list
    notes: tuple = ()


def time_call(function: Callable) -> float:
    """Returns the seconds that a call takes, until the JAX arrays that it returns are computed."""
    started = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - started


def time_in_turns(functions: dict, *, rounds: int) -> dict[object, list[float]]:
    """Calls {name: function} in turns; returns {name: seconds of each round}.

    A first round, in which programs are compiled, is not counted.
    """
    seconds = {name: [] for name in functions}
    for _ in range(1 + rounds):
        for name, function in functions.items():
            seconds[name].append(time_call(function))
    return {name: values[1:] for name, values in seconds.items()}


def compare_pairs(seconds: Sequence[float], others: Sequence[float]) -> Spread:
    """Returns how many times as long `seconds` are as `others`, each round compared by itself."""
    return Spread.of(np.divide(seconds, others))


def format_table(table: Table) -> str:
    """Returns a table as markdown whose columns are also aligned in a terminal."""
    rows = [[_format_cell(value) for value in row] for row in [table.columns, *table.rows]]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    head, *lines = [_format_line(row, widths) for row in rows]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    notes = [f"- {note}" for note in table.notes]
    lines = [f"**{table.title}**", "", head, _format_line(rule, widths), *lines, "", *notes]
    return "\n".join(lines).rstrip() + "\n"


def _format_line(cells, widths):
    first, *others = [cell.rjust(width) for cell, width in zip(cells, widths)]
    return f"| {' | '.join([cells[0].ljust(len(first)), *others])} |"


def _format_cell(value):
    if value is None:
        return "not measured"
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if isinstance(value, tuple):
        median, lowest, highest = map(_format_cell, value)
        return f"{median} ({lowest} to {highest})"
    # Integers and large numbers have no decimals, others three significant digits.
    return f"{value:.0f}" if isinstance(value, int) or 1000 <= abs(value) < 1e5 else f"{value:.3g}"
