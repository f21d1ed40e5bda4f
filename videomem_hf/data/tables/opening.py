"""A folder with a table of scores, one's own or a published set's: what it holds, as one record per video."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from videomem_hf.data.copies import warn_of_missing
from videomem_hf.data.record_tables import record_schema
from videomem_hf.data.release.descriptions import read_descriptions
from videomem_hf.data.release.inventory import Inventory, scan
from videomem_hf.data.release.odd_rows import first_three, warn_if_sorted, warn_of_counts
from videomem_hf.data.release.records import Part, VideoRecord
from videomem_hf.schema import (
    ANNOTATION_COUNTS,
    HORIZON_NAMES,
    HORIZONS,
    TITLE,
    VIDEO,
    Horizon,
    InputError,
    horizons_of,
    sort_horizons,
)
from videomem_hf.system import printable

from .columns import CAPTIONS, GROUP, SPLIT, Columns, extra_columns, find_columns, horizons_in
from .formats import Row, Table, is_table, read_table
from .media import MediaFiles, without_ending
from .options import DECISIONS, TableOptions, below, read_decisions
from .presets import ALL, Preset, get_preset, refuse_other_sets
from .values import plain_column, read_counts, read_rate, read_scores, read_texts

SPLIT_VALUES = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "development": "validation", "devset": "validation",
    "test": "test", "testing": "test", "testset": "test", "eval": "test",
}  # fmt: skip
"""What a column of splits says, in lower case, and our name of the split."""


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


@dataclass
class OpenedTable:
    """A folder whose tables are read.

    Attributes:
        root: The folder, resolved.
        title: The data set's name: a preset's, or the folder's.
        tables: The tables that were read.
        options: What was decided.
        columns: The first table's columns by role.
        notes: Decisions that nobody said, a sentence each.
        records: One per row, in the tables' order.
        extra_types: Type of each extra column, by our name of it.
    """

    root: Path
    title: str
    tables: tuple[Path, ...]
    options: TableOptions
    columns: Columns
    notes: tuple[str, ...]
    records: list[TableRecord] = field(repr=False)
    extra_types: dict[str, pa.DataType]
    allow_links: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The columns of the records: the standard ones, captions where there are several, and the table's own."""
        captions = any(record.captions is not None for record in self.records)
        more = [pa.field(CAPTIONS, pa.list_(pa.string()))] if captions else []
        standard = record_schema(self.horizons)
        return pa.schema([*standard, *more, *(pa.field(name, kind) for name, kind in self.extra_types.items())])

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """The horizons of the data set: VideoMem's two, or those of the table where one has another name."""
        return self.records[0].horizons

    @cached_property
    def media(self) -> MediaFiles:
        """The videos and images of the folder."""
        folder = below(self.root, self.options.videos) if self.options.videos else self.root
        return MediaFiles(folder, self.allow_links or folder != self.root)

    def find_media(self) -> dict[str, Path]:
        """Return the file of each record that has one, by id; a name that can be two files raises an InputError."""
        found = {}
        for record in self.records:
            for name in (record.name, *record.other_names):
                if path := self.media.find(name):
                    found[record.video_id] = path
                    break
        return found

    def warn_of_missing_media(self, found: Mapping[str, Path]) -> None:
        missing = [record.video_id for record in self.records if record.video_id not in found]
        warn_of_missing(VIDEO, missing, len(self.records))


def open_table(
    data_dir: str | Path, given: Mapping[str, Any] | None = None, *, allow_links: bool = False
) -> OpenedTable:
    """Read the table of a folder.

    Args:
        data_dir: The folder of the data.
        given: Options (see `TableOptions`) in place of those in the folder's `memorability.yaml`.
        allow_links: Follow links that lead out of the folder.

    Raises:
        InputError: No such folder or table, columns or values that are not clear, or a video twice.
    """
    inventory = scan(data_dir, allow_links=allow_links)
    options = read_decisions(inventory.root, given or {})
    if options.preset is not None:
        preset = get_preset(options.preset)
        found = preset.find_tables(inventory)
        if not found:
            refuse_other_sets(inventory, preset)
        return _open_preset(inventory, options, preset, found, allow_links)
    path = below(inventory.root, options.table) if options.table else _only_table(inventory, options)
    table = read_table(path, options.sheet)
    columns, notes = find_columns(table, options.columns)
    reader = _Reader(table, columns, options, None)
    records = reader.records(None)
    return _opened(inventory, inventory.root.name, (path,), options, columns, notes, records, allow_links)


def _open_preset(
    inventory: Inventory, options: TableOptions, preset: Preset, found: Mapping[str, Sequence[Path]], allow_links: bool
) -> OpenedTable:
    records: list[TableRecord] = []
    texts: dict[str, list[str]] = {}
    for path in preset.find_captions(found):
        for name, rows in read_descriptions(path).items():
            texts.setdefault(name, []).extend(text for _, text in rows)
    columns: Columns = {}
    for split, paths in found.items():
        for path in paths:
            table = read_table(path)
            if lacking := [name for name in preset.needs if split != "test" and name not in table.columns]:
                raise InputError(f"{path}: not {preset.title}'s, it has no column '{lacking[0]}'")
            own = {
                role: name
                for role, name in preset.columns.items()
                if set([name] if isinstance(name, str) else name) <= set(table.columns)
            }
            records += _Reader(table, own, options, preset, texts).records(None if split == ALL else split)
            columns = columns or dict(own)
    tables = tuple(path for paths in found.values() for path in paths)
    return _opened(inventory, preset.title, tables, options, columns, [], records, allow_links)


def _opened(
    inventory: Inventory,
    title: str,
    tables: tuple[Path, ...],
    options: TableOptions,
    columns: Columns,
    notes: Sequence[str],
    records: list[TableRecord],
    allow_links: bool,
) -> OpenedTable:
    locations: dict[str, str] = {}
    for record in records:
        if record.video_id in locations:
            raise InputError(f"{tables[0]}: '{printable(record.video_id)}' is in two rows; keep one of them.")
        locations[record.video_id] = record.name
    for note in notes:
        warnings.warn(note, stacklevel=4)
    _warn_of_odd_records(tables[0], records)
    names = dict.fromkeys(name for record in records for name in record.extras)
    types = {name: _arrow_type([record.extras.get(name) for record in records]) for name in names}
    for record in records:  # tables of several parts may differ in what they know of a column
        for name, kind in types.items():
            value = record.extras.setdefault(name, None)
            if value is not None and kind == pa.string() and not isinstance(value, str):
                record.extras[name] = str(value)
    return OpenedTable(inventory.root, title, tables, options, columns, tuple(notes), records, types, allow_links)


def _arrow_type(values: Sequence[Any]) -> pa.DataType:
    kinds = {type(value) for value in values if value is not None}
    return {frozenset({float}): pa.float64(), frozenset({list}): pa.list_(pa.string())}.get(
        frozenset(kinds), pa.string()
    )


def _only_table(inventory: Inventory, options: TableOptions) -> Path:
    """The table of a folder that does not say which: the only file at its top that has the columns of one."""
    top = inventory.folders[0]
    paths = [top.path / name for name in top.names if is_table(Path(name)) and name != DECISIONS]
    found, reasons = [], []
    for path in paths:
        try:
            find_columns(read_table(path), options.columns)
        except InputError as error:
            reasons += [str(error)] if path.suffix.lower() != ".txt" else []  # notes, as often as not
        else:
            found.append(path)
    if len(found) > 1:
        raise InputError(
            f"{found[0].name} and {found[1].name} in {inventory.root} can both be the table of scores; say which with "
            f"table='{found[0].name}' (--table)"
        )
    if not found:
        raise InputError(
            reasons[0]
            if len(reasons) == 1
            else f"No table of scores in {inventory.root}; say which with table='FILE' (--table)."
            f"{inventory.unpacking_hint()}"
        )
    return found[0]


class _Reader:
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
        taken = {name for horizon in self.horizons for name in (horizon, ANNOTATION_COUNTS[horizon])}
        self.extras = {
            _own_name(name, taken): plain_column(table.cells(name)) for name in extra_columns(table, columns)
        }

    def records(self, split: str | None) -> list[TableRecord]:
        """Return a record for each row; without a given split or a column of it, scored rows are yet to be divided."""
        return [self._record(index, row, split) for index, row in enumerate(self.table.rows)]

    def _record(self, index: int, row: Row, split: str | None) -> TableRecord:
        value = row.values.get(str(self.columns[VIDEO]))
        if value is None or isinstance(value, list | dict | bool):
            raise InputError(f"{row.location}: no name of a video in column {printable(str(self.columns[VIDEO]))}")
        name = str(value)
        scores: dict[str, float | int | None] = {horizon: values[index] for horizon, values in self.scores.items()}
        counts = {ANNOTATION_COUNTS[horizon]: values[index] for horizon, values in self.counts.items()}
        is_scored = any(score is not None for score in scores.values())
        known = scores | counts
        own = {name: known.get(name) for h in self.horizons for name in (h, ANNOTATION_COUNTS[h])}
        has_own = set(self.horizons) - set(HORIZONS)
        texts = self.texts.get(name) or read_texts(row, self._caption_columns())
        title = row.values.get(str(self.columns.get(TITLE)))
        folder = row.values.get(self.preset.folder) if self.preset and self.preset.folder else None
        group = row.values.get(str(self.columns.get(GROUP)))
        return TableRecord(
            video_id=without_ending(name),
            part=split or self._part(row, is_scored),  # type: ignore[arg-type]
            title=str(title) if title is not None else texts[0] if texts else None,
            **({} if has_own else known),  # type: ignore[arg-type]
            own=own if has_own else {},
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
            raise InputError(f"{row.location}: no split in column {printable(str(column))}")
        name = SPLIT_VALUES.get(str(value).lower()) or re.sub(r"\W", "_", str(value))
        if not name.strip("_") or name == "all":
            raise InputError(f"{row.location}: '{printable(str(value)[:40])}' cannot name a split")
        return name


def _own_name(column: str, more: Iterable[str]) -> str:
    """Return an extra column's name; one that would be a role's is marked."""
    taken = {"video_id", VIDEO, "image", TITLE, CAPTIONS, *HORIZONS, *ANNOTATION_COUNTS.values(), *more}
    return f"{column}_column" if column in taken else column


def _warn_of_odd_records(path: Path, records: Sequence[TableRecord]) -> None:
    """Warn of odd counts and order, and of videos without a score, a count or a title that others have."""
    horizons = records[0].horizons
    scored = [record for record in records if any(record.value(horizon) is not None for horizon in horizons)]
    for horizon in horizons:
        warn_of_counts(path, scored, horizon)
        warn_if_sorted(path, scored, horizon)
    kinds = {horizon: f"{HORIZON_NAMES[horizon]} score" for horizon in horizons}
    kinds |= {ANNOTATION_COUNTS[horizon]: f"{HORIZON_NAMES[horizon]} annotation count" for horizon in horizons}
    for name, what in (kinds | {TITLE: "title"}).items():
        lost = [record.video_id for record in scored if record.value(name) is None]
        if 0 < len(lost) < len(scored):
            warnings.warn(
                f"{path}: {len(lost)} of {len(scored)} scored videos have no {what} ({first_three(lost)}).",
                stacklevel=4,
            )
    if (unscored := len(records) - len(scored)) > 0 and any(record.part == "dev" for record in records):
        ids = {record.video_id for record in scored}
        first = first_three([record.video_id for record in records if record.video_id not in ids])
        warnings.warn(
            f"{path}: {unscored} of {len(records)} rows have no score ({first}); they are in the test split.",
            stacklevel=4,
        )
