"""The rows of a table of scores as records, one per video or image."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videomem_hf.data.release.records import Part, VideoRecord
from videomem_hf.schema import (
    ANNOTATION_COUNTS,
    HORIZONS,
    TITLE,
    VIDEO,
    Horizon,
    InputError,
    horizons_of,
    sort_horizons,
)
from videomem_hf.system import printable

from .columns import CAPTIONS, GROUP, SPLIT, Columns, extra_columns, horizons_in
from .formats import DateText, Row, Table
from .media import without_ending
from .options import TableOptions
from .presets import Preset
from .values import plain_column, read_counts, read_rate, read_scores, read_texts

SPLIT_VALUES = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "development": "validation", "devset": "validation",
    "test": "test", "testing": "test", "testset": "test", "eval": "test",
}  # fmt: skip
"""What a column of splits says, in lower case, and our name of the split."""


_SUMMARIES = frozenset(
    {"total", "totals", "sum", "mean", "average", "median", "sd", "std", "min", "max", "grand total"}
)
"""Names of rows, in lower case, that say something of the rows above and are no videos."""


@dataclass(frozen=True, slots=True)
class TableRecord(VideoRecord):
    """What a table says of one video or image.

    Attributes:
        name: As the table has it, with its folder where another column says that.
        other_names: Other names that its file may have.
        captions: Its descriptions; None where the table has no column of several.
        group: Videos of one group stay in one split; None where unknown.
        own: Scores and annotation counts, where the table has a horizon of a name other than VideoMem's; those of all
            its horizons are then here, by the names of the columns.
        extras: Columns without a role, by our names of them.
    """

    name: str = ""
    other_names: tuple[str, ...] = ()
    captions: list[str] | None = None
    group: str | None = None
    own: dict[str, float | int | None] = field(default_factory=dict, hash=False)
    extras: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        return horizons_of(self.own) or HORIZONS

    def value(self, column: str) -> Any:
        for values in (self.extras, self.own):
            if column in values:
                return values[column]
        return getattr(self, column)


class RecordReader:
    """Makes records of one table's rows."""

    def __init__(
        self,
        table: Table,
        columns: Columns,
        options: TableOptions,
        preset: Preset | None,
        texts: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.table, self.columns, self.preset, self.texts = table, columns, preset, texts or {}
        self.scores: dict[Horizon, list[float | None]] = {}
        self.counts: dict[Horizon, list[int | None]] = {}
        below_zero, above_one = (preset.below_zero, preset.above_one) if preset else ("refuse", "refuse")
        self.horizons = sort_horizons(dict.fromkeys([*horizons_in(columns), *(preset.rate if preset else ())]))
        for horizon in self.horizons:
            if column := columns.get(horizon):
                self.scores[horizon] = read_scores(table, str(column), options.scale, below_zero, above_one)  # type: ignore[arg-type]
            if column := columns.get(ANNOTATION_COUNTS[horizon]):
                self.counts[horizon] = read_counts(table, str(column))
            if preset and horizon in preset.rate and set(preset.rate[horizon]) <= set(table.columns):
                self.scores[horizon], self.counts[horizon] = read_rate(table, *preset.rate[horizon])
        names = [name for horizon in self.horizons for name in (horizon, ANNOTATION_COUNTS[horizon])]
        self.own_columns = names if set(self.horizons) - set(HORIZONS) else []
        self.extras = {
            _own_name(name, names): plain_column(table.cells(name)) for name in extra_columns(table, columns)
        }

    def records(self, split: str | None) -> list[TableRecord]:
        """Return a record for each row; without a given split or a column of it, scored rows are yet to be divided."""
        return [self._record(index, row, split) for index, row in enumerate(self.table.rows)]

    def _record(self, index: int, row: Row, split: str | None) -> TableRecord:
        value = row.values.get(str(self.columns[VIDEO]))
        if value is None or isinstance(value, list | dict | bool):
            raise InputError(f"{row.location}: no name of a video in column {printable(str(self.columns[VIDEO]))}")
        name = str(int(value) if isinstance(value, float) and value.is_integer() else value)
        if isinstance(value, DateText):
            raise InputError(
                f"{row.location}: the name of a video is the date {name}, which a spreadsheet may have made of it; "
                "write the names as text"
            )
        if name.lower().rstrip(":.") in _SUMMARIES:
            raise InputError(
                f"{row.location}: '{printable(name)}' is the name of a summary, not of a video; remove the row, or "
                "write the name with its ending"
            )
        scores: dict[str, float | int | None] = {horizon: values[index] for horizon, values in self.scores.items()}
        counts = {ANNOTATION_COUNTS[horizon]: values[index] for horizon, values in self.counts.items()}
        is_scored = any(score is not None for score in scores.values())
        known = scores | counts
        own = {name: known.get(name) for name in self.own_columns}
        texts = self.texts.get(name) or read_texts(row, self._caption_columns())
        title = row.values.get(str(self.columns.get(TITLE)))
        folder = row.values.get(self.preset.folder) if self.preset and self.preset.folder else None
        group = row.values.get(str(self.columns.get(GROUP)))
        return TableRecord(
            video_id=without_ending(name),
            part=split or self._part(row, is_scored),  # type: ignore[arg-type]
            title=str(title) if title is not None else texts[0] if texts else None,
            **({} if own else known),  # type: ignore[arg-type]
            own=own,
            name=name if folder is None else f"{folder}/{name}",
            other_names=tuple(
                str(other)
                for column in (self.preset.other_names if self.preset else ())
                if (other := row.values.get(column)) is not None
            ),
            captions=texts if self.texts or self._caption_columns() else None,
            group=None if group is None else str(group),
            extras={column: values[index] for column, values in self.extras.items()},
        )

    def _caption_columns(self) -> list[str]:
        columns = self.columns.get(CAPTIONS, [])
        return [columns] if isinstance(columns, str) else columns

    def _part(self, row: Row, scored: bool) -> Part | str:
        column = self.columns.get(SPLIT)
        if column is None:
            return "dev" if scored else "test"
        value = row.values.get(str(column))
        if value is None:
            raise InputError(f"{row.location}: no split in column {printable(str(column))}; write one")
        name = SPLIT_VALUES.get(str(value).lower()) or re.sub(r"\W", "_", str(value))
        if not name.strip("_") or name == "all":
            raise InputError(f"{row.location}: '{printable(str(value)[:40])}' cannot name a split")
        return name


def _own_name(column: str, more: Iterable[str]) -> str:
    """Return an extra column's name; one that would be a role's is marked."""
    taken = {"video_id", VIDEO, "image", TITLE, CAPTIONS, *HORIZONS, *ANNOTATION_COUNTS.values(), *more}
    return f"{column}_column" if column in taken else column
