"""Ground-truth tables: one row per video, its scores and the annotation count of each."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from videomem_hf.schema import VIDEO_ID, InputError
from videomem_hf.system import printable

from .csv_tables import NUMBER, TableRow, header_cells, known_tables, parse_count, parse_score, read_table
from .names import parse_video_id

ReleaseName = Literal["2018", "2022"]

COLUMNS: Final[dict[ReleaseName, dict[str, str]]] = {
    "2018": {
        "video": VIDEO_ID,
        "short-term_memorability": "short_term",
        "nb_short-term_annotations": "short_term_annotations",
        "long-term_memorability": "long_term",
        "nb_long-term_annotations": "long_term_annotations",
    },
    "2022": {
        "video_id": VIDEO_ID,
        "scores_normalized_short_term": "short_term",
        "annotations_short_term": "short_term_annotations",
        "scores_raw_long_term": "long_term",
        "annotations_long_term": "long_term_annotations",
    },
}
"""The headers of the 2018 release and of the score tables of MediaEval 2022, and our name of each column.

The short-term scores of 2022 are normalised again (Spearman .862 with those of 2018): the two never mix.
"""

_MAY_STAND_BESIDE: Final[dict[ReleaseName, frozenset[str]]] = {
    "2018": frozenset(),
    "2022": frozenset({"video_url", "scores_raw_short_term"}),
}
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
    def values(self) -> tuple[float | None, float | None, int | None, int | None]:
        """Scores and counts, without the location."""
        return (self.short_term, self.long_term, self.short_term_annotations, self.long_term_annotations)

    def value(self, column: str) -> Any:
        """Return what it says of a column, as a `VideoRecord` does."""
        return getattr(self, column)

    @property
    def labelled(self) -> bool:
        """Whether at least one of the scores is there."""
        return self.short_term is not None or self.long_term is not None

    @property
    def is_proportion(self) -> bool:
        """Whether the long-term score is k of its n annotations, as all of the 2018 release are, to three decimals."""
        score, count = self.long_term, self.long_term_annotations
        return score is None or not count or abs(score * count - round(score * count)) <= 0.0005 * count + 1e-9


def ground_truth_release(path: Path) -> ReleaseName | None:
    """Return the release of a ground truth, recognised by its header, its name, or rows of a name and four numbers."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        return None
    cells = header_cells(path)
    if tables := known_tables(path):
        return "2022" if "videomem2022" in tables else None
    if _NAME.search(path.name) or ("video" in cells and any("memorability" in cell for cell in cells)):
        return "2018"
    headless = len(cells) == len(COLUMNS["2018"]) and parse_video_id(cells[0]) is not None
    return "2018" if headless and all(not cell or NUMBER.fullmatch(cell) for cell in cells[1:]) else None


def another_tables_columns(path: Path, release: ReleaseName) -> str | None:
    """Say why a file is another table than a ground truth, such as notes or predictions; None for one, even damaged."""
    cells = header_cells(path)
    problem = _header_problem(cells, release)
    damaged = len(COLUMNS[release].keys() & set(cells)) > 2 or (
        _NAME.search(path.name) and path.suffix.lower() != ".txt"
    )
    return None if problem is None or damaged else problem.partition(";")[0]


def read_ground_truth(path: Path, release: ReleaseName = "2018") -> list[GroundTruthRow]:
    """Read a ground truth in any of the forms that circulate.

    Accepted: UTF-8 with or without a byte-order mark, UTF-16 with one; any line ends, none at the end of the file;
    columns in any order; names with an ending (`video10.webm`) or bare (`10`); empty score cells, or `nan`, `NA`, ...;
    comma, semicolon or tab between cells; decimal commas.
    Raises InputError, with file and line, for a header, a name, a number or a line that cannot be right.
    """
    return [read_row(row, release) for row in read_table(path, lambda header: _header_problem(header, release))]


def _header_problem(header: list[str], release: ReleaseName) -> str | None:
    columns = COLUMNS[release]
    missing = [name for name in columns if name not in header]
    unknown = [name for name in header if name and name not in columns and name not in _MAY_STAND_BESIDE[release]]
    # Without the counts a table is still whole; a count missing beside a name we do not know is a misspelt header.
    if missing and (unknown or any(not columns[name].endswith("_annotations") for name in missing)):
        found = ", ".join(name[:40] for name in header[:8])
        return f"no column '{missing[0]}' among {found}; the header of a ground truth is {','.join(columns)}"
    return None


def read_row(row: TableRow, release: ReleaseName) -> GroundTruthRow:
    """Read one row; raises an InputError for a name or a number that cannot be right."""
    theirs = {ours: name for name, ours in COLUMNS[release].items()}
    name = row.cells[theirs[VIDEO_ID]]
    video_id = parse_video_id(name)
    if video_id is None:
        raise InputError(
            f"{row.location}: '{printable(name[:60])}' is not a video's name such as video10.webm; a table of your own "
            'clips loads with load_dataset("memorability", data_dir=...).'
        )
    return GroundTruthRow(
        video_id=video_id,
        short_term=row.read(theirs["short_term"], parse_score),
        long_term=row.read(theirs["long_term"], parse_score),
        short_term_annotations=row.read(theirs["short_term_annotations"], parse_count),
        long_term_annotations=row.read(theirs["long_term_annotations"], parse_count),
        line=row.line,
    )
