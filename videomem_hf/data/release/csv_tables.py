"""CSV tables with a header, and their cells, with errors that name file and line."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from videomem_hf.data.score_tables import possible_tables
from videomem_hf.schema import SCORE_MAX, SCORE_MIN, InputError
from videomem_hf.system import printable

from .text_files import SEPARATOR_LINE, first_line, read_text

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
UNKNOWN: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
"""Cells, in lower case, that stand for a value that is not known."""

_ROWS_TO_COMPARE: Final = 6
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)", re.ASCII)
T = TypeVar("T")


class TableRow(NamedTuple):
    """One row: its file and line, and its cells by the header's names (lower case, stripped)."""

    path: Path
    line: int
    cells: dict[str, str]

    @property
    def location(self) -> str:
        """File and line, as errors name them."""
        return f"{self.path}:{self.line}"

    def read(self, column: str, parse: Callable[[str], T]) -> T | None:
        """Parse a cell; None where it is missing, empty or says that nothing is known (`nan`, `NA`, `null`, ...).

        A wrong one raises an InputError.
        """
        cell = self.cells.get(column, "")
        if cell.lower() in UNKNOWN:
            return None
        try:
            return parse(cell)
        except ValueError as error:
            shown = printable(cell[:60])
            raise InputError(f"{self.location}: '{shown}' in column {column} is not {error}.") from None


def header_cells(path: Path) -> list[str]:
    """Return the cells of a file's first line, lower case, to see what kind of table it is."""
    line = first_line(path)
    return [cell.strip().strip('"').lower() for cell in line.split(delimiter(line))]


def known_tables(path: Path) -> list[str]:
    """Return the names of the published tables that a file can be (see `score_tables`); none for any other file."""
    names = possible_tables(header_cells(path))
    if len(names) < 2:
        return names
    rows = read_table(path, lambda header: None)
    numbers = [int(row.cells["video_id"]) for row in rows if re.fullmatch(r"[0-9]{1,9}", row.cells["video_id"])]
    return possible_tables(header_cells(path), numbers)


def delimiter(line: str) -> str:
    """Return what separates the cells of a line: a tab, a semicolon or a comma; those in quotes do not count.

    The first of two that stand as often: a comma beside a semicolon is that of a decimal. A comma where there is none.
    """
    plain = re.sub('"[^"]*"', "", line)
    return max("\t;,", key=plain.count) if re.search("[\t;]", plain) else ","


def read_table(path: Path, check_header: Callable[[list[str]], str | None]) -> Iterator[TableRow]:
    """Read a table row by row; blank lines are skipped.

    Args:
        path: Text as `read_text` reads it, any line ends; the first line may be Excel's `sep=;`.
        check_header: Gets the header's names; gives what is wrong with them, or None.

    Raises:
        InputError: Not a table, a header that `check_header` refuses, or a row with another number of cells.
    """
    header: list[str] | None = None
    rows = 0
    for line, cells in read_records(path):
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            if problem := _find_repeated(header) or check_header(header):
                raise InputError(f"{path}:{line}: {problem}.")
            continue
        if len(cells) != len(header):
            raise InputError(
                f"{path}:{line}: {len(cells)} cells where the header has {len(header)}; the line is damaged or cut "
                "off, take the file from the release again."
            )
        rows += 1
        yield TableRow(path, line, {name: cell.strip() for name, cell in zip(header, cells, strict=True)})
    if not rows:
        raise InputError(f"{path}: a header and no rows; take the file from the release again.")


def read_records(path: Path, own: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Read the records of a table, header included: each its cells, and the number of its first line.

    Raises an InputError for what is not CSV, such as a quote that is not closed; `own` is that of `read_text`.
    """
    text = read_text(path, own)
    first, _, rest = text.lstrip().partition("\n")
    declared = SEPARATOR_LINE.fullmatch(first.strip())
    skipped = text.count("\n", 0, len(text) - len(text.lstrip())) + (declared is not None)
    body = rest if declared else text.lstrip()
    separator = declared[1] if declared else delimiter(re.split(r"[\r\n]", first, maxsplit=1)[0])
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    line = skipped + 1
    last_cells: list[str] = []
    last_line = line
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
                last_cells.append(cells[-1].strip())
                last_line = line
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        what = "a quote that is not closed" if "unexpected end" in str(error) else str(error)
        mend = "mend it" if own else "mend it, or take the file from the release again"
        raise InputError(f"{path}:{line}: not a CSV line ({what}); {mend}.") from None
    if not text.endswith(("\n", "\r")):
        refuse_cut_off(f"{path}:{last_line}", last_cells[1:])


def refuse_cut_off(location: str, cells: list[str]) -> None:
    """Refuse a last cell, with no line end after it, that is empty or shorter than all numbers above it."""
    if len(cells) < _ROWS_TO_COMPARE or not all(cells[:-1]):
        return
    numbers = all(NUMBER.fullmatch(decimal_point(cell, thousands=False)) for cell in cells[:-1])
    if not cells[-1] or (numbers and len(cells[-1]) < min(map(len, cells[:-1]))):
        raise InputError(
            f"{location}: the last cell, '{printable(cells[-1][:40])}', is shorter than all above it and no line end "
            "follows; the file is cut off. If it is right, end the line."
        )


def _find_repeated(header: list[str]) -> str | None:
    repeated = [name for name in header if name and header.count(name) > 1]
    return f"column '{printable(repeated[0][:40])}' twice" if repeated else None


def decimal_point(cell: str, thousands: bool = True) -> str:
    """Return a number with a decimal comma, as spreadsheets write it in many countries, with a point.

    `1,234` stays as it is where it may be meant in `thousands`.
    """
    match = _DECIMAL_COMMA.fullmatch(cell)
    if match is None or (thousands and len(match[2]) == 3 and match[1].lstrip("+-0")):
        return cell
    return f"{match[1]}.{match[2]}"


def parse_number(cell: str) -> float:
    """Read a finite number with a decimal point or comma."""
    number = decimal_point(cell)
    if not NUMBER.fullmatch(number) or abs(float(number)) == float("inf"):
        raise ValueError("a number with a decimal point")
    return float(number)


def parse_score(cell: str) -> float:
    """Read a score, a number in [0, 1]."""
    number = decimal_point(cell, thousands=False)
    if not NUMBER.fullmatch(number) or not SCORE_MIN <= float(number) <= SCORE_MAX:
        raise ValueError(f"a score, a number from {SCORE_MIN:g} to {SCORE_MAX:g} with a decimal point")
    return float(number)


def parse_count(cell: str) -> int:
    """Read a number of annotations; a table that went through a spreadsheet writes 33 as 33.0 or 33,0.

    `1.000` and `1,000` can be a thousand or one, and are refused.
    """
    number = decimal_point(cell)
    if (
        re.fullmatch(r"[1-9][0-9]{0,2}\.000", cell)
        or not NUMBER.fullmatch(number)
        or not float(number).is_integer()
        or not 0 <= float(number) < 2**31
    ):
        raise ValueError("a number of annotations, a whole number of 0 or more")
    return int(float(number))
