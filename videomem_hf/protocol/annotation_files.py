"""Reads tables of annotations: our own (see `annotations`) or the two results tables of the original software."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from videomem_hf.protocol.annotations import COLUMNS, MISSING_REASONS, OLD_COLUMNS, OPTIONAL_COLUMNS, Annotations
from videomem_hf.protocol.checks import find_contradiction
from videomem_hf.protocol.original_tables import is_original_header, read_original_tables
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.schema import InputError

_TYPES: Final = {
    "participant": pa.dictionary(pa.int32(), pa.string()),
    "step": pa.int8(),
    "position": pa.int32(),
    "video": pa.dictionary(pa.int32(), pa.string()),
    "role": pa.dictionary(pa.int32(), pa.string()),
    "repeat": pa.int8(),
    "pressed": pa.int8(),
    "rt_ms": pa.float32(),
    "time": pa.timestamp("us", "UTC"),
    "missing": pa.dictionary(pa.int32(), pa.string()),
}
_OTHER_FILES: Final = {
    b"PK": "an Excel workbook or another ZIP file",
    b"\x1f\x8b": "compressed by gzip",
    b"\xff\xfe": "a text in UTF-16",
    b"\xfe\xff": "a text in UTF-16",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
}
"""By their first bytes."""
_LOOK_BYTES: Final = 1 << 20
"""How much of a table with semicolons is searched for a decimal comma."""
_LONGEST_RT_MS: Final = 600_000
_CELLS: Final = {
    "participant": (r"[^\0]+", "a participant's name"),
    "step": ("[12]", "1 or 2"),
    "position": ("0*[1-9][0-9]{0,8}", "a whole number from 1"),
    "video": (r"[^\0]+", "a video's name"),
    "role": ("|".join(ROLES), "one of " + ", ".join(ROLES)),
    "repeat": ("[01]", "0 or 1"),
    "pressed": ("[01]", "0 or 1"),
    "rt_ms": (r"(\d*\.?\d+)?", f"empty or milliseconds, above 0 and at most {_LONGEST_RT_MS}"),
    "time": (
        r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d))?",
        "empty or a time with its zone, such as 2026-11-22 17:30:00.250Z",
    ),
    "missing": ("|".join(MISSING_REASONS), "empty or one of " + ", ".join(MISSING_REASONS[1:])),
}
"""The form of a column's cells as a regular expression, and in words."""


def read_annotations(paths: Sequence[Path | str]) -> Annotations:
    """Read the annotations of a study.

    Args:
        paths: One table as `annotations` describes it; or the two results tables of the original software (one is
            enough where only one step was run); or one folder that holds either.

    Raises:
        InputError: A file of another kind, or an inconsistent row; the message names file and line.
    """
    headers = read_headers(paths)
    files = list(headers)
    if all(is_original_header(header) for header in headers.values()):
        return read_original_tables(files)
    if len(files) > 1:
        listed = ", ".join(str(file) for file in files[:4])
        raise InputError(f"{len(files)} tables ({listed}); give one export, or the original's two results tables.")
    return _read_export(files[0], headers[files[0]])


def read_headers(paths: Sequence[Path | str]) -> dict[Path, list[str]]:
    """The column names, in lower case, of each table among files and folders. Raises InputError if there is none."""
    files = [file for path in paths for file in _files(Path(path))]
    if not files:
        raise InputError("No table of annotations; give an export of the study, or the original's two results tables.")
    return {file: _header(file) for file in files}


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
        if not files:
            raise InputError(f"{path}: no .csv file in this folder; give the table of annotations.")
        return files
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the table of annotations.")
    return [path]


def _check_text(path: Path) -> None:
    """Say what a file is that holds no text in UTF-8, as far as its first bytes tell."""
    with path.open("rb") as file:
        start = file.read(4)
    for sign, kind in _OTHER_FILES.items():
        if start.startswith(sign):
            raise InputError(f"{path}: {kind}; save it as CSV in UTF-8.")
    if not start.strip():
        raise InputError(f"{path}: an empty file; give the table of annotations.")


def _header(path: Path) -> list[str]:
    _check_text(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(10_000)
    return _column_names(next(csv.reader([line.rstrip("\r\n")], delimiter=_delimiter(path)), []))


def _delimiter(path: Path) -> str:
    """What separates the cells: a comma, a semicolon or a tab, whichever the header has most of."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return max(",;\t", key=file.readline(10_000).count)


def _decimal_point(path: Path, delimiter: str) -> str:
    """A comma where a table without commas between cells has numbers with one, as some spreadsheets write."""
    if delimiter == ",":
        return "."
    with path.open("rb") as file:
        return "," if re.search(rb"[;\t]\d+,\d+[;\t\r\n]", file.read(_LOOK_BYTES)) else "."


def _column_names(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    return [OLD_COLUMNS.get(name, name) for name in names]


def _read_export(path: Path, header: list[str]) -> Annotations:
    _check_header(path, header)
    table = _arrow_table(path, header)
    if not table.num_rows:
        raise InputError(f"{path}: a header and no rows; the study has no responses yet.")
    participants, participant = _names(table, "participant")
    videos, video = _names(table, "video")
    roles, role = _names(table, "role")
    role_numbers = np.array([ROLES.index(name) if name in ROLES else -1 for name in roles], dtype=np.int8)
    repeat, pressed = _numbers(table, "repeat"), _numbers(table, "pressed")
    annotations = Annotations(
        participants=participants,
        videos=videos,
        participant=participant,
        step=_numbers(table, "step"),
        position=_numbers(table, "position"),
        video=video,
        role=role_numbers[role],
        repeat=repeat == 1,
        pressed=pressed == 1,
        rt_ms=_numbers(table, "rt_ms"),
        time=table.column("time").cast(pa.timestamp("us")).to_numpy().astype("datetime64[ms]"),
        missing=_reasons(table),
        extra=table.select(extra) if (extra := [name for name in header if name not in COLUMNS]) else None,
        locate=lambda row: f"{path}:{_line(path, row)}",
    )
    if not _cells_in_range(annotations, (repeat, pressed)):
        raise _first_bad_cell(path, "a cell is out of its range")
    if contradiction := find_contradiction(annotations):
        row, text = contradiction
        raise InputError(f"{path}:{_line(path, row)}: {text}; correct the row or take the export again.")
    return annotations


def _line(path: Path, row: int) -> int:
    """The line of a row, counted from 0 after the header."""
    return next(line for number, (line, _) in enumerate(_numbered_rows(path), start=-1) if number == row)


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in header and name not in OPTIONAL_COLUMNS]
    twice = [name for name in header if header.count(name) > 1]
    for names, text in ((missing, "no column"), (twice, "duplicate column")):
        if names:
            found = ",".join(header)[:120]
            raise InputError(f"{path}:1: {text} '{names[0][:40]}' in {found}; the header is {','.join(COLUMNS)}.")


def _arrow_table(path: Path, header: list[str]) -> pa.Table:
    extra = [name for name in header if name not in COLUMNS]
    delimiter = _delimiter(path)
    reading = arrow_csv.ReadOptions(column_names=header, skip_rows=1)
    parsing = arrow_csv.ParseOptions(delimiter=delimiter)
    converting = arrow_csv.ConvertOptions(
        column_types=_TYPES | dict.fromkeys(extra, pa.string()),
        null_values=[""],
        include_columns=[*COLUMNS, *extra],
        include_missing_columns=True,
        decimal_point=_decimal_point(path, delimiter),
    )
    try:
        return arrow_csv.read_csv(path, reading, parsing, converting).unify_dictionaries()
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _first_bad_cell(path, str(error)) from None


def _names(table: pa.Table, column: str) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    chunks = table.column(column).chunks
    names = tuple(chunks[0].dictionary.to_pylist()) if chunks else ()
    return names, np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks])


def _reasons(table: pa.Table) -> NDArray[np.int8]:
    """The column `missing` as indices in `MISSING_REASONS`; -1 for a word that is not one of them."""
    column = table.column("missing")
    if column.null_count == len(column):
        return np.zeros(len(column), dtype=np.int8)
    words = column.combine_chunks()
    known = {word: index for index, word in enumerate(MISSING_REASONS)}
    indices = np.array([0, *(known.get(word, -1) for word in words.dictionary.to_pylist())], dtype=np.int8)
    return indices[compute.fill_null(words.indices, -1).to_numpy(zero_copy_only=False) + 1]


def _numbers(table: pa.Table, column: str) -> NDArray[Any]:
    """A column as a NumPy array; an empty cell is NaN in `rt_ms` and -1 elsewhere."""
    values = table.column(column)
    if values.null_count:
        values = compute.fill_null(values, float("nan") if column == "rt_ms" else -1)
    return values.to_numpy()


def _cells_in_range(annotations: Annotations, flags: Sequence[NDArray[np.int8]]) -> bool:
    rt_ms = annotations.rt_ms[~np.isnan(annotations.rt_ms)]
    return bool(
        np.isin(annotations.step, (1, 2)).all()
        and annotations.position.min() >= 1
        and annotations.role.min() >= 0
        and annotations.missing.min() >= 0
        and np.isin(flags, (0, 1)).all()
        and rt_ms.min(initial=1) > 0
        and rt_ms.max(initial=1) <= _LONGEST_RT_MS
        and all(name and "\0" not in name for name in (*annotations.participants, *annotations.videos))
    )


def _first_bad_cell(path: Path, otherwise: str) -> InputError:
    """The error of the first unreadable row; slow, and called only when there is one."""
    line = 0
    try:
        header: list[str] = []
        comma = _decimal_point(path, _delimiter(path)) == ","
        for line, cells in _numbered_rows(path):
            if not header:
                header = _column_names(cells)
                continue
            if len(cells) != len(header):
                return InputError(
                    f"{path}:{line}: {len(cells)} cells where the header has {len(header)}; the line is damaged or cut "
                    "off, take the export again."
                )
            for name, cell in zip(header, cells, strict=True):
                if name not in _CELLS:
                    continue
                form, allowed = _CELLS[name]
                if comma and name == "rt_ms":
                    if "." in cell:
                        return InputError(f"{path}:{line}: '{cell[:60]}' in column rt_ms, where others have a comma.")
                    cell = cell.replace(",", ".")
                fits = re.fullmatch(form, cell, re.ASCII | re.DOTALL)
                if not fits or (name == "rt_ms" and cell and not 0 < float(cell) <= _LONGEST_RT_MS):
                    return InputError(f"{path}:{line}: '{cell[:60]}' in column {name} is not {allowed}.")
    except csv.Error as error:
        return InputError(f"{path}:{line + 1}: not a CSV row ({error}), perhaps an open quote; take the export again.")
    except UnicodeDecodeError as error:
        return InputError(f"{path}:{_undecodable_line(path)}: not UTF-8 ({error.reason}); take the export again.")
    return InputError(f"{path}: cannot be read ({otherwise}); take the export again.")


def _undecodable_line(path: Path) -> int:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return next(number for number, line in enumerate(file, start=1) if re.search("[\udc80-\udcff]", line))


def _numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True, delimiter=_delimiter(path))
        for cells in reader:
            if cells:
                yield reader.line_num, cells
