"""Tables in any format: text with separators, spreadsheets, JSON, JSON lines and Parquet, as rows of plain values."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from videomem_hf.data.release.csv_tables import UNKNOWN, read_records
from videomem_hf.data.release.text_files import numbered_lines, read_text
from videomem_hf.schema import InputError, short_message
from videomem_hf.system import printable

from .matlab import read_structures

SPREADSHEETS: Final = frozenset({".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"})
SPREADSHEET_ERRORS: Final = frozenset({"#NAME?", "#VALUE!", "#REF!", "#N/A", "#NUM!", "#DIV/0!", "#NULL!"})

Value = str | int | float | list[Any] | dict[str, Any] | bool | None


class DateText(str):
    """A date in a spreadsheet, as text: it was entered as one, or the spreadsheet made it of something else."""

    __slots__ = ()


@dataclass(frozen=True)
class Row:
    """One row: where it is, for errors, and its values by the names of the columns; None where nothing is known."""

    location: str
    values: dict[str, Value]


@dataclass(frozen=True)
class Table:
    """A table as its file has it: the names of its columns in their order, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def cells(self, column: str) -> list[Value]:
        return [row.values.get(column) for row in self.rows]


def read_table(path: Path, sheet: str | None = None) -> Table:
    """Read a table by the ending of its name: .csv, .tsv, .txt, .xlsx, .xls, .ods, .json, .jsonl, .parquet or .mat.

    Text may be UTF-8 or marked UTF-16, with commas, semicolons or tabs. Empty cells, `nan`, `NA`, `null` and a
    spreadsheet's errors are None.

    Args:
        path: The file.
        sheet: Of a spreadsheet; needed where several have content.

    Raises:
        InputError: An unknown ending, a damaged file, a repeated or missing name of a column, or no row.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a table of scores")
    suffix = path.suffix.lower()
    if sheet is not None and suffix not in SPREADSHEETS:
        raise InputError(f"{path} has no sheets; leave out sheet={sheet!r}")
    if suffix in SPREADSHEETS:
        return _of_lines(path, _sheet_lines(path, sheet))
    if suffix == ".mat":  # not searched for tables: such files hold anything, of any size
        return _of_objects(path, [(f"{path}: entry {n}", row) for n, row in enumerate(read_structures(path), start=1)])
    if suffix not in _READERS:
        endings = ", ".join(sorted((*_READERS, *SPREADSHEETS)))
        raise InputError(f"{path}: a table ends in one of {endings}")
    return _READERS[suffix](path)


def is_table(path: Path) -> bool:
    """Whether a file's name ends as a table's."""
    return path.suffix.lower() in SPREADSHEETS or path.suffix.lower() in _READERS


def _plain(value: Any) -> Value:
    """Return a cell's value: text without white space around it, whole numbers as such, None where nothing is known."""
    if isinstance(value, str):
        text = value.strip()
        return None if text.lower() in UNKNOWN or text in SPREADSHEET_ERRORS else text
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, date | time):
        return DateText(value)
    if isinstance(value, bytes):  # of Parquet
        return _plain(value.decode("utf-8", "backslashreplace"))
    return value if isinstance(value, int | bool | list | dict | None) else str(value)


def _of_lines(path: Path, lines: Iterator[tuple[str, list[Any]]]) -> Table:
    """Make a table of lines of cells, the first of which names the columns."""
    columns: list[str] | None = None
    rows: list[Row] = []
    for location, cells in lines:
        if columns is None:
            columns = _names(location, cells)
            continue
        if all(_plain(cell) is None for cell in cells):
            continue
        extra = [cell for cell in cells[len(columns) :] if _plain(cell) is not None]
        if extra or len(cells) < len(columns):
            raise InputError(
                f"{location}: {len(cells)} cells where the header has {len(columns)}; the line is damaged or cut off"
            )
        rows.append(Row(location, {name: _plain(cell) for name, cell in zip(columns, cells, strict=False) if name}))
    return _checked(path, tuple(name for name in columns or () if name), rows)


def _names(location: str, cells: list[Any]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    lowered = [name.lower() for name in names if name]
    if repeated := [name for name in lowered if lowered.count(name) > 1]:
        raise InputError(f"{location}: column '{printable(repeated[0][:40])}' twice; rename one of them")
    if any("." in name and _is_number(name) for name in names) or all(_is_number(name) for name in names if name):
        raise InputError(f"{location}: the first line names no columns; write their names above the table")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _checked(path: Path, columns: tuple[str, ...], rows: list[Row]) -> Table:
    if not columns or not rows:
        raise InputError(f"{path}: {'a header and no rows' if columns else 'no table'}; give a table of scores")
    return Table(path, columns, tuple(rows))


def _read_text_table(path: Path) -> Table:
    return _of_lines(path, ((f"{path}:{line}", cells) for line, cells in read_records(path, own=True)))


def _sheet_lines(path: Path, sheet: str | None) -> Iterator[tuple[str, list[Any]]]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise InputError(f"{path}: spreadsheets need `pip install 'videomem_hf[tables]'`; or save it as CSV") from None
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        if sheet is not None and sheet not in workbook.sheet_names:
            raise InputError(f"{path}: no sheet {sheet!r}; there are {', '.join(workbook.sheet_names)}")
        contents = {
            name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in ([sheet] if sheet is not None else workbook.sheet_names)
        }
    except (CalamineError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a spreadsheet that can be read ({short_message(error)})") from None
    filled = {name: rows for name, rows in contents.items() if any(cell != "" for row in rows for cell in row)}
    if len(filled) > 1:
        names = ", ".join(filled)
        raise InputError(f"{path}: several sheets have content ({names}); say which with sheet= (--sheet)")
    for name, rows in filled.items():
        for number, cells in enumerate(rows, start=1):
            if any(cell != "" for cell in cells):
                yield f"{path}, {name}, row {number}", [_whole(cell) for cell in cells]


def _whole(cell: Any) -> Any:
    """Return a number of a spreadsheet, all of which are floats there, as a whole one where it is."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _of_objects(path: Path, objects: list[tuple[str, Any]]) -> Table:
    columns: dict[str, None] = {}
    rows = []
    for location, value in objects:
        if not isinstance(value, dict):
            raise InputError(f"{location}: not an object with the columns of a row")
        columns.update(dict.fromkeys(value))
        rows.append(Row(location, {str(name): _plain(cell) for name, cell in value.items()}))
    return _checked(path, tuple(columns), rows)


def _read_json_lines(path: Path) -> Table:
    lines = [(f"{path}:{number}", line) for number, line in numbered_lines(read_text(path, own=True))]
    return _of_objects(path, [(location, parse_json(location, line)) for location, line in lines])


def _read_json(path: Path) -> Table:
    value = parse_json(str(path), read_text(path, own=True))
    if not isinstance(value, list):
        raise InputError(f"{path}: not a list of rows; give a list of objects, or one object a line (.jsonl)")
    return _of_objects(path, [(f"{path}: entry {number}", entry) for number, entry in enumerate(value, start=1)])


def parse_json(location: str, text: str) -> Any:
    """Parse a JSON value; an InputError, which begins with the location, for what is none or has a name twice."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated = next(name for name in found if [key for key, _ in pairs].count(name) > 1)
            raise InputError(f"{location}: '{printable(repeated[:40])}' twice in one object; keep one of them")
        return found

    try:
        return json.loads(text, object_pairs_hook=distinct)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{location}: not JSON ({short_message(error)})") from None


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read ({short_message(error)})") from None
    return _of_objects(path, [(f"{path}: row {n}", row) for n, row in enumerate(table.to_pylist(), start=1)])


_READERS: Final[dict[str, Callable[[Path], Table]]] = {
    ".csv": _read_text_table,
    ".tsv": _read_text_table,
    ".tab": _read_text_table,
    ".txt": _read_text_table,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
