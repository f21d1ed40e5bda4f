"""The rows of a file of predictions, as text: of a table in any format, and of lines or objects of clips and scores."""

import csv
from pathlib import Path
from typing import Any, Final

from videomem_hf.data.release.csv_tables import delimiter
from videomem_hf.data.release.text_files import SEPARATOR_LINE, read_text
from videomem_hf.data.tables.formats import SPREADSHEETS, parse_json, read_table
from videomem_hf.schema import InputError

_NOT_TEXT: Final = SPREADSHEETS | {".json", ".jsonl", ".ndjson", ".parquet"}


def read_rows(path: Path, clip: str) -> list[list[str]]:
    """Read the rows of a file, a header included where it has one; all have as many cells, two or more.

    Args:
        path: As `read_prediction_file` takes it.
        clip: Name of the column of clips of an object that maps them to objects of scores.

    Raises:
        InputError: The file cannot be read, is empty, has one column, or a row of another length.
    """
    rows = [row for row in _cells(path, clip) if any(row)]
    if not rows:
        raise InputError(f"{path}: is empty; give a file of predictions")
    if len(rows[0]) < 2:
        raise InputError(
            f"{path}: has one column in its first row; give a table as text, with commas, semicolons, tabs or spaces "
            "between a clip and its score"
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise InputError(f"{path}: row {number} has {len(row)} columns, and the first {len(rows[0])}; mend the row")
    return rows


def _cells(path: Path, clip: str) -> list[list[str]]:
    suffix = path.suffix.lower()
    if suffix == ".json" and isinstance(content := parse_json(str(path), read_text(path, own=True)), dict):
        return _rows_of_object(content, clip)
    if suffix not in _NOT_TEXT:
        return _split_lines(path, read_text(path, own=True))
    table = read_table(path)
    return [list(table.columns), *([_text(row.values.get(name)) for name in table.columns] for row in table.rows)]


def _rows_of_object(content: dict[str, Any], clip: str) -> list[list[str]]:
    """The rows of an object that maps a clip to its score, or to an object of scores."""
    if not all(isinstance(value, dict) for value in content.values()):
        return [[name, _text(value)] for name, value in content.items()]
    columns = list(dict.fromkeys(column for value in content.values() for column in value))
    rows = [[name, *(_text(value.get(column)) for column in columns)] for name, value in content.items()]
    return [[clip, *columns], *rows] if rows else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _split_lines(path: Path, text: str) -> list[list[str]]:
    """The cells of each line; between spaces where the first line has nothing else that separates them."""
    lines = [line for line in text.splitlines() if line.strip()]
    declared = SEPARATOR_LINE.fullmatch(lines[0].strip()) if lines else None
    lines = lines[1:] if declared else lines
    if not lines:
        return []
    separator = declared[1] if declared else delimiter(lines[0])
    if separator not in lines[0]:
        return [line.rsplit(maxsplit=1) for line in lines]
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table of clips and scores alone") from None
