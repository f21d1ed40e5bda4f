"""CSV tables with a header, and their cells, with errors that name file and line."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from videomem_hf.schema import SCORE_MAX, SCORE_MIN, InputError

from .text_files import first_line, read_text

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)

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
        """Parse a cell; None where the column or the cell is missing or empty. A wrong one raises an InputError."""
        cell = self.cells.get(column, "")
        if not cell:
            return None
        try:
            return parse(cell)
        except ValueError as error:
            raise InputError(f"{self.location}: '{cell}' in column {column} is not {error}.") from None


def header_cells(path: Path) -> list[str]:
    """Return the cells of a file's first line, lower case, to see what kind of table it is."""
    line = first_line(path)
    return [cell.strip().strip('"').lower() for cell in line.split(delimiter(line))]


def delimiter(line: str) -> str:
    """Return what separates the cells of a line: a comma, a semicolon or a tab."""
    return max(",;\t", key=line.count)


def read_table(path: Path, check_header: Callable[[list[str]], str | None]) -> Iterator[TableRow]:
    """Read a table row by row; blank lines are skipped.

    Args:
        path: UTF-8 with or without a byte-order mark, any line ends.
        check_header: Gets the header's names; gives what is wrong with them, or None.

    Raises:
        InputError: Not a table, a header that `check_header` refuses, or a row with another number of cells.
    """
    text = read_text(path)
    separator = delimiter(text.lstrip().split("\n", 1)[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    rows = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                if problem := _find_repeated(header) or check_header(header):
                    raise InputError(f"{path}:{reader.line_num}: {problem}.")
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{path}:{reader.line_num}: {len(cells)} cells where the header has {len(header)}; the line is "
                    "damaged or cut off, take the file from the release again."
                )
            rows += 1
            yield TableRow(path, reader.line_num, {n: c.strip() for n, c in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num}: not a CSV line ({error}); take the file from the release again."
        ) from None
    if not rows:
        raise InputError(f"{path}: a header and no rows; take the file from the release again.")


def _find_repeated(header: list[str]) -> str | None:
    repeated = [name for name in header if name and header.count(name) > 1]
    return f"column '{repeated[0]}' twice" if repeated else None


def parse_number(cell: str) -> float:
    """Read a finite number with a decimal point."""
    if not NUMBER.fullmatch(cell) or abs(float(cell)) == float("inf"):
        raise ValueError("a number with a decimal point")
    return float(cell)


def parse_score(cell: str) -> float:
    """Read a score, a number in [0, 1]."""
    if not NUMBER.fullmatch(cell) or not SCORE_MIN <= float(cell) <= SCORE_MAX:
        raise ValueError(f"a score, a number from {SCORE_MIN:g} to {SCORE_MAX:g} with a decimal point")
    return float(cell)


def parse_count(cell: str) -> int:
    """Read a number of annotations; a table that went through a spreadsheet library writes 33 as 33.0."""
    if not NUMBER.fullmatch(cell) or not float(cell).is_integer() or not 0 <= float(cell) < 2**31:
        raise ValueError("a number of annotations, a whole number of 0 or more")
    return int(float(cell))
