"""A folder with a table of scores, one's own or a published set's: what it holds, as one record per video."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from videomem_hf.data.copies import warn_of_missing
from videomem_hf.data.feature_files.folders import FeatureFiles, feature_folders
from videomem_hf.data.record_tables import record_schema
from videomem_hf.data.release.descriptions import read_descriptions
from videomem_hf.data.release.inventory import Folder, Inventory, scan
from videomem_hf.data.release.odd_rows import first_three, warn_if_sorted, warn_of_counts
from videomem_hf.schema import (
    ANNOTATION_COUNTS,
    HORIZON_NAMES,
    TITLE,
    VIDEO,
    Horizon,
    InputError,
)
from videomem_hf.system import printable, quantity

from .columns import CAPTIONS, Columns, find_columns, horizons_in
from .features import own_feature_files
from .formats import Table, is_table, read_table
from .media import MediaFiles
from .options import DECISIONS, TableOptions, below, read_decisions
from .presets import ALL, Preset, get_preset, refuse_other_sets
from .records import RecordReader, TableRecord


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
        inventory: What the folder holds.
    """

    root: Path
    title: str
    tables: tuple[Path, ...]
    options: TableOptions
    columns: Columns
    notes: tuple[str, ...]
    records: list[TableRecord] = field(repr=False)
    extra_types: dict[str, pa.DataType]
    inventory: Inventory = field(repr=False)
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

    @cached_property
    def features(self) -> dict[str, list[Folder]]:
        """The folders of the features that `videomem extract` wrote below the folder, by configuration."""
        return feature_folders(self.inventory)

    def feature_files(self, config: str) -> list[FeatureFiles]:
        """List the files of a feature under the records' ids; raises an InputError if it is not there or damaged."""
        if config not in self.features:
            known = ", ".join(("scores", "videos", *self.features))
            raise InputError(f"No configuration '{config}' for {self.root}; there are {known}.")
        ids = [record.video_id for record in self.records]
        return own_feature_files(config, self.features[config], ids, self.find_media())

    def find_media(self) -> dict[str, Path]:
        """Return the file of each record that has one, by id; a name that can be two files raises an InputError."""
        found: dict[str, Path] = {}
        homes: dict[Path, str] = {}
        for record in self.records:
            names = (record.name, *record.other_names)
            if path := next((path for name in names if (path := self.media.find(name))), None):
                if (other := homes.setdefault(path, record.video_id)) != record.video_id:
                    raise InputError(
                        f"{self.tables[0]}: '{printable(other)}' and '{printable(record.video_id)}' are both {path}; "
                        "keep one of them, or give names with folders and endings"
                    )
                found[record.video_id] = path
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
    reader = RecordReader(table, columns, options, None)
    records = reader.records(None)
    return _opened(
        inventory, options.title or inventory.root.name, (path,), options, columns, notes, records, allow_links
    )


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
            own = _own_columns(preset, table)
            records += RecordReader(table, own, options, preset, texts).records(None if split == ALL else split)
            columns = columns or dict(own)
    tables = tuple(path for paths in found.values() for path in paths)
    return _opened(inventory, options.title or preset.title, tables, options, columns, [], records, allow_links)


def _own_columns(preset: Preset, table: Table) -> Columns:
    """A preset's columns as a table has them, in capitals or not; raises an InputError for one without videos."""
    names = {name.lower(): name for name in table.columns}
    own: Columns = {}
    for role, name in preset.columns.items():
        if isinstance(name, str) and name.lower() in names:
            own[role] = names[name.lower()]
        elif not isinstance(name, str) and {each.lower() for each in name} <= names.keys():
            own[role] = [names[each.lower()] for each in name]
    if VIDEO not in own:
        raise InputError(f"{table.path}: not {preset.title}'s, it has no column '{preset.columns[VIDEO]}'")
    return own


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
            raise InputError(
                f"{tables[0]}: '{printable(record.video_id)}' is in two rows; keep one of them: a table has a row for "
                "each video, and a column for each horizon"
            )
        locations[record.video_id] = record.name
    for note in notes:
        warnings.warn(note, stacklevel=4)
    _warn_of_odd_records(tables[0], records)
    _warn_of_empty_horizons(tables[0], records, columns, options)
    names = dict.fromkeys(name for record in records for name in record.extras)
    types = {name: _arrow_type([record.extras.get(name) for record in records]) for name in names}
    for record in records:  # tables of several parts may differ in what they know of a column
        for name, kind in types.items():
            value = record.extras.setdefault(name, None)
            if value is not None and kind == pa.string() and not isinstance(value, str):
                record.extras[name] = str(value)
    return OpenedTable(
        inventory.root, title, tables, options, columns, tuple(notes), records, types, inventory, allow_links
    )


def _warn_of_empty_horizons(
    path: Path, records: Sequence[TableRecord], columns: Columns, options: TableOptions
) -> None:
    """Warn of horizons that the table is to have scores of, and has none; the test part of a published set has none."""
    preset = None if options.preset is None else get_preset(options.preset)
    expected = horizons_in(columns if preset is None else [*preset.columns, *preset.rate])
    empty = [horizon for horizon in expected if all(record.value(horizon) is None for record in records)]
    if empty and (preset is None or len(empty) < len(expected)):
        names = " or ".join(HORIZON_NAMES[horizon] for horizon in empty)
        warnings.warn(f"{path}: none of {quantity(len(records), 'row')} has a {names} score.", stacklevel=4)


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
