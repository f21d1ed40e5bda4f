"""Ground-truth tables: one row a video, its scores and how many participants stand behind each."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from videomem_hf.schema import SCORE_MAX, SCORE_MIN, VIDEO_ID, InputError

from .names import parse_video_id
from .text_files import first_line, read_text

COLUMNS: Final = {
    "video": VIDEO_ID,
    "short-term_memorability": "short_term",
    "nb_short-term_annotations": "short_term_annotations",
    "long-term_memorability": "long_term",
    "nb_long-term_annotations": "long_term_annotations",
}
"""The release's header, in its order, and our name of each column."""

_REQUIRED = frozenset({"video", "short-term_memorability", "long-term_memorability"})
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NAME = re.compile(r"ground[-_ ]?truth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GroundTruthRow:
    """A row as the file has it; None where the cell is empty. Scores are in [0, 1]."""

    video_id: str
    short_term: float | None
    long_term: float | None
    short_term_annotations: int | None
    long_term_annotations: int | None
    line: int

    @property
    def values(self) -> tuple[float | int | None, ...]:
        """Scores and counts, without the place."""
        return (self.short_term, self.long_term, self.short_term_annotations, self.long_term_annotations)

    @property
    def labelled(self) -> bool:
        """Whether at least one of the scores is there."""
        return self.short_term is not None or self.long_term is not None


def is_ground_truth(path: Path) -> bool:
    """Tell a ground truth by its header, by its name, or by rows of five cells that begin with a video's name."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        return False
    line = first_line(path)
    cells = [cell.strip().strip('"').lower() for cell in line.split(_delimiter(line))]
    if _NAME.search(path.name) or ("memorability" in line.lower() and "video" in cells):
        return True
    return len(cells) == len(COLUMNS) and parse_video_id(cells[0]) is not None and _number_or_empty(cells[1:])


def read_ground_truth(path: Path) -> list[GroundTruthRow]:
    """Read a ground truth in any of the forms that circulate.

    Accepted: UTF-8 with or without a byte-order mark; any line ends, none at the end of the file; columns in any order;
    names with an ending (`video10.webm`) or bare (`10`); empty score cells; comma, semicolon or tab between cells.

    Raises:
        InputError: A header, a name, a number or a line that cannot be right; names file and line.
    """
    text = read_text(path)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text.lstrip().split("\n", 1)[0]), strict=True
    )
    rows: list[GroundTruthRow] = []
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _read_header(path, reader.line_num, cells)
            else:
                rows.append(_read_row(path, reader.line_num, header, cells))
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num}: not a CSV line ({error}); take the file from the release again."
        ) from None
    if not rows:
        raise InputError(f"{path}: a header and no rows; take the file from the release again.")
    return rows


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _number_or_empty(cells: list[str]) -> bool:
    return all(not cell or _NUMBER.fullmatch(cell) for cell in cells)


def _read_header(path: Path, line: int, cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name for name in header if name and name not in COLUMNS]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    # Without the counts a table is still whole; a count missing beside a name we do not know is a misspelt header.
    if twice or (missing and (unknown or _REQUIRED & set(missing))):
        found = f"column '{twice[0]}' twice" if twice else f"no column '{missing[0]}' among {', '.join(header)}"
        raise InputError(f"{path}:{line}: {found}; the header of a ground truth is {','.join(COLUMNS)}.")
    return header


def _read_row(path: Path, line: int, header: list[str], cells: list[str]) -> GroundTruthRow:
    if len(cells) != len(header):
        raise InputError(
            f"{path}:{line}: {len(cells)} cells where the header has {len(header)}; the line is damaged or cut off, "
            "take the file from the release again."
        )
    by_name = {COLUMNS[name]: cell.strip() for name, cell in zip(header, cells, strict=True) if name in COLUMNS}
    video_id = parse_video_id(by_name.pop(VIDEO_ID))
    if video_id is None:
        raise InputError(f"{path}:{line}: '{cells[header.index('video')]}' is not a video's name such as video10.webm.")
    values: dict[str, Any] = dict.fromkeys(list(COLUMNS.values())[1:])
    for name, cell in by_name.items():
        read: Callable[[str], float | int | None] = _count if name.endswith("_annotations") else _score
        try:
            values[name] = read(cell) if cell else None
        except ValueError as error:
            column = next(key for key, ours in COLUMNS.items() if ours == name)
            raise InputError(f"{path}:{line}: '{cell}' in column {column} is not {error}.") from None
    return GroundTruthRow(video_id=video_id, line=line, **values)


def _score(cell: str) -> float:
    expected = f"a score, a number from {SCORE_MIN:g} to {SCORE_MAX:g} with a decimal point"
    if not _NUMBER.fullmatch(cell):
        raise ValueError(expected)
    score = float(cell)
    if not SCORE_MIN <= score <= SCORE_MAX:
        raise ValueError(expected)
    return score


def _count(cell: str) -> int:
    # A table that went through a spreadsheet library writes 33 as 33.0.
    if not _NUMBER.fullmatch(cell) or not float(cell).is_integer() or not 0 <= float(cell) < 2**31:
        raise ValueError("a number of annotations, a whole number of 0 or more")
    return int(float(cell))
