"""Reads the tables that public data sets come with, as people have them after opening them."""

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dreamsound_jax.system.errors import UserError, nearest_or_fail, reason_of

DELIMITERS = ",;\t|"  # Spreadsheets of some countries write semicolons.
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Excel reads a first line such as sep=; for the delimiter, and does not show it.
_STATED_DELIMITER = re.compile(r"\s*\"?sep=([,;\t|])\"?[,;\t| ]*(?:\r\n|\r|\n)", re.IGNORECASE)
LONGEST_SHOWN = 60  # Characters of a cell that a message shows.


class Row(NamedTuple):
    """A row of a table.

    Attributes:
      place: the file and the number of the row, for messages; the header is row 1.
      cells: {column: text without spaces around it}; a row that is cut short lacks columns.
    """

    place: str
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Returns a cell; raises UserError if it is missing or empty."""
        if not self.cells.get(column):
            raise UserError(f"{self.place} has no {column}")
        return self.cells[column]

    def whole_number(self, column: str, *, lowest: int, highest: int) -> int:
        """Returns a whole number, which may be written as 10 or 10.0; raises UserError if not."""
        text = self.text(column)
        whole = text.split(".")[0] if text.endswith((".0", ".00", ".")) else text
        # Python converts a limited number of digits only.
        if whole.isascii() and whole.isdigit() and len(whole) < 20:
            number = int(whole)
            if lowest <= number <= highest:
                return number
        raise UserError(
            f"{self.place}: {column} must be a whole number from {lowest} to {highest}, got "
            f"{show_cell(text)}"
        )

    def choice(self, column: str, kind: str, choices: Sequence[str]) -> str:
        """Returns a cell that is one of `choices`; raises UserError, which names the nearest."""
        text = self.text(column)
        try:
            return nearest_or_fail(kind, text[:LONGEST_SHOWN], choices)
        except UserError as error:
            raise UserError(f"{self.place}: {error}") from None


def show_cell(text: str) -> str:
    """Returns a cell as a message shows it: short, and in one line."""
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}...")


def read_rows(
    path: Path,
    columns: Sequence[str],
    *,
    dataset: str,
    read_header: Callable[[Iterator[list[str]]], list[str]] = next,
) -> Iterator[Row]:
    """Reads the rows of a CSV file that are not blank.

    UTF-16 with or without a byte-order mark, other delimiters than commas, Excel's line sep=;,
    capitals in the names of columns, and spaces around cells make no difference.

    Args:
      path: the file.
      columns: the columns that it must have.
      dataset: what the table belongs to, for messages.
      read_header: reads the names of the columns from the first lines.

    Raises:
      UserError: the file cannot be read, or lacks columns; while iterating, a row cannot be read.
    """
    text, delimiter = _find_delimiter(_read_text(path, dataset))
    # The lines are counted by the reader, since cells may contain ends of lines.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    cells = ([cell.strip() for cell in line] for line in lines)
    names = _spell(_read_names(path, cells, read_header), columns)
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(
            f"{path} is not the table of {dataset}: it has no column {', '.join(missing)}"
        )
    return _iterate_rows(path, lines, cells, names)


def _read_text(path, dataset):
    try:
        data = path.read_bytes()
        encoding = BYTE_ORDER_MARKS.get(data[:2]) or _guess_encoding(data)
        # Tables of old spreadsheets are in other encodings, whose ASCII letters are the same.
        return data.decode(encoding, errors="replace").replace("\0", "\ufffd")
    except FileNotFoundError:
        raise UserError(f"no file {path}: --data_dir must be the folder of {dataset}") from None
    except (OSError, UnicodeError) as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from None


def _guess_encoding(data):
    """Returns the encoding of a text without a mark; in UTF-16, each second byte of ASCII is 0."""
    start = data[:64]
    for encoding, zeros, others in (
        ("utf-16-le", start[1::2], start[::2]),
        ("utf-16-be", start[::2], start[1::2]),
    ):
        if zeros and not any(zeros) and all(others):
            return encoding
    return "utf-8-sig"


def _find_delimiter(text):
    """Returns the table, without a line that states its delimiter, and the delimiter."""
    if stated := _STATED_DELIMITER.match(text):
        return text[stated.end() :], stated[1]
    first = next((line for line in text.splitlines() if line.strip()), "")
    return text, max(DELIMITERS, key=first.count)


def _spell(names, columns):
    """Returns the names of columns, spelled as `columns` are where only capitals differ."""
    asked = {column.lower(): column for column in columns if column not in names}
    return [asked.get(name.lower(), name) for name in names]


def _read_names(path, cells, read_header):
    try:
        return read_header(itertools.dropwhile(lambda line: not any(line), cells))
    except StopIteration:
        raise UserError(f"cannot read {path}: it is empty") from None
    except csv.Error as error:
        raise UserError(f"cannot read {path}: row 1: {error}") from None


def _iterate_rows(path, lines, cells, names):
    while True:
        start = lines.line_num + 1
        place = f"{path}, row {start}"
        try:
            line = next(cells)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{place} cannot be read: {error}") from None
        if len(line) > len(names) and any(line[len(names) :]):
            raise UserError(
                f"{place} must have {len(names)} cells, as the header has, and has {len(line)}"
            )
        if any(line):
            yield Row(place, dict(zip(names, line)))
