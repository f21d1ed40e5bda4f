"""Descriptions of videos in MediaEval's tables since 2020: one a row, or numbered columns of one row."""

import re
from pathlib import Path

from .captions import SPREADSHEET_ERRORS
from .csv_tables import TableRow, header_cells, read_table

_COLUMN = re.compile(r"description(_[0-9]+)?")


def is_descriptions(path: Path) -> bool:
    """Recognise a table of descriptions by its columns, `video_id` and `description` or `description_0`, ..."""
    cells = header_cells(path)
    return "video_id" in cells and any(map(_COLUMN.fullmatch, cells))


def read_descriptions(path: Path) -> dict[str, list[tuple[TableRow, str]]]:
    """Read the descriptions of each video, in the order of rows and columns, with the row that each is in.

    A video may have several rows, as TRECVid's have. Cells that are empty, or that a spreadsheet replaced by an error,
    are left out. Raises an InputError for a table that cannot be read.
    """
    found: dict[str, list[tuple[TableRow, str]]] = {}
    for row in read_table(path, lambda header: None if "video_id" in header else "no column 'video_id'"):
        texts = [text for name, text in row.cells.items() if _COLUMN.fullmatch(name)]
        known = found.setdefault(row.cells["video_id"], [])
        known += [(row, text) for text in texts if text and text not in SPREADSHEET_ERRORS]
    return found
