"""What a part of the benchmark found."""

from typing import NamedTuple


class Table(NamedTuple):
    """A table of results.

    Attributes:
      title: a line.
      columns: their heads, with units.
      rows: lists of text, plain numbers and `Spread`s; None is "not measured".
      notes: sentences to stand below it.
    """

    title: str
    columns: list
    rows: list
    notes: tuple = ()
