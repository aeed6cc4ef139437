"""Reads the tables that public data sets come with, as people have them after opening them."""

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from dreamsound_jax.system.errors import UserError, nearest_or_fail, reason_of

DELIMITERS = ",;\t|"  # Spreadsheets of some countries write semicolons.
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Excel reads a first line such as sep=; for the delimiter, and does not show it.
_STATED_DELIMITER = re.compile(r"\s*\"?sep=([,;\t|])\"?[,;\t| ]*(?:\r\n|\r|\n)", re.IGNORECASE)
MOST = 10**18  # No number in a table is larger.
_WITH_FRACTION = re.compile(r"[0-9]+([.,][0-9]*)?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
# Groups of three digits, and perhaps a fraction behind another sign.
_GROUPED = re.compile(
    r"([0-9]{1,3}([.,' \u00a0\u2009\u202f])[0-9]{3}(?:\2[0-9]{3}){0,4})(?:(?!\2)[.,]0*)?"
)
# A header is looked for in so many rows and characters: a title or remarks may stand above it.
ROWS_ABOVE, MOST_ABOVE = 30, 2**20
LONGEST_SHOWN = 60  # Characters of a cell that a message shows.


class Row(NamedTuple):
    """A row of a table.

    Attributes:
      place: the file and the number of the row, for messages; the first row of the file is row 1.
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
        """Returns a whole number as spreadsheets and people write it; raises UserError if not.

        `10`, `10.0`, `1e1`, `10,0`, `1.000` and, in a column `fold`, `fold10` are such numbers. If
        points or commas may group digits as well as begin a fraction, the bounds decide.
        """
        text = self.text(column)
        found = {
            number for number in read_whole_numbers(text, column) if lowest <= number <= highest
        }
        if len(found) == 1:
            return found.pop()
        if found:
            raise UserError(
                f"{self.place}: {column} must be a whole number, and {show_cell(text)} may be "
                f"{' or '.join(map(str, sorted(found)))}: write it in digits alone"
            )
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


def read_whole_numbers(text: str, column: str) -> set[int]:
    """Returns the whole numbers that a cell may stand for, whichever country wrote it.

    Example:
      >>> sorted(read_whole_numbers("1.000", "fold")), read_whole_numbers("fold7", "fold")
      ([1, 1000], {7})
    """
    text = re.sub(rf"(?i)\A{re.escape(column)}[ _-]?(?=\d)", "", text)
    numbers = set()
    if _WITH_FRACTION.fullmatch(text):
        number = Decimal(text.replace(",", "."))
        # Python converts a limited number of digits only.
        if number == number.to_integral_value() and number < MOST:
            numbers.add(int(number))
    if grouped := _GROUPED.fullmatch(text):
        numbers.add(int(re.sub(r"\D", "", grouped[1])))
    return numbers


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
    titles and remarks above the header, capitals in the names of columns, and spaces around cells
    make no difference.

    Args:
      path: the file.
      columns: the columns that it must have.
      dataset: what the table belongs to, for messages.
      read_header: reads the names of the columns from the first lines.

    Raises:
      UserError: the file cannot be read, or lacks columns; while iterating, a row cannot be read.
    """
    text, stated = _take_stated_delimiter(_read_text(path, dataset))
    delimiter, above = _find_header(text, stated or DELIMITERS, columns, read_header)
    # The lines are counted by the reader, since cells may contain ends of lines.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    cells = ([cell.strip() for cell in line] for line in itertools.islice(lines, above, None))
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


def _take_stated_delimiter(text):
    """Returns the table without a line that states its delimiter, and the delimiter or ""."""
    stated = _STATED_DELIMITER.match(text)
    return (text[stated.end() :], stated[1]) if stated else (text, "")


def _find_header(text, delimiters, columns, read_header):
    """Returns the delimiter, and how many rows with titles or remarks stand above the header.

    Where no row names all columns, it is the likeliest delimiter, and no row.
    """
    start = text[:MOST_ABOVE]
    for delimiter in delimiters:
        rows = _read_first_rows(start, delimiter)
        for above in range(len(rows)):
            with contextlib.suppress(StopIteration):
                names = _spell(read_header(iter(rows[above:])), columns)
                if {*columns} <= {*names}:
                    return delimiter, above
    first = next((line for line in start.splitlines() if line.strip()), "")
    return max(delimiters, key=first.count), 0


def _read_first_rows(start, delimiter):
    """Returns the rows in which a header is looked for, as far as they can be read."""
    rows = []
    with contextlib.suppress(csv.Error):
        for line in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter):
            rows.append([cell.strip() for cell in line])
            if len(rows) == ROWS_ABOVE:
                break
    return rows


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
