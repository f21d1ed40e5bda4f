"""`videomem describe --fix`: a copy of a data set's tables in plain UTF-8 CSV, with every change said."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videomem_hf.data.release.captions import SPREADSHEET_ERRORS, is_caption_line, is_captions
from videomem_hf.data.release.csv_tables import (
    NUMBER,
    UNKNOWN,
    TableRow,
    decimal_point,
    delimiter,
    refuse_cut_off,
)
from videomem_hf.data.release.ground_truth import COLUMNS, ground_truth_release, read_row
from videomem_hf.data.release.inventory import scan
from videomem_hf.data.release.text_files import SEPARATOR_LINE, decode_leniently
from videomem_hf.data.tables.formats import SPREADSHEETS, is_table, read_table
from videomem_hf.data.tables.opening import open_table
from videomem_hf.data.tables.options import below, read_decisions
from videomem_hf.data.tables.presets import detect_presets, get_preset
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, printable

_SCORE = re.compile(r"score|memorab", re.IGNORECASE)
_KEPT = frozenset({".json", ".jsonl", ".ndjson", ".parquet"})
"""Formats that have no separators, decimal commas or cut lines to repair."""


@dataclass
class Repair:
    """One table: where it was, where its copy is, and what was changed, a sentence each."""

    path: Path
    written: Path
    changes: list[str] = field(default_factory=list)


def repair_tables(
    data_dir: str | Path, out: str | Path, options: Mapping[str, Any] | None = None, *, allow_links: bool = False
) -> list[Repair]:
    """Write a repaired copy of the tables of a folder; the originals stay as they are.

    Lines that cannot be right are left out, never guessed; encodings, separators, decimal commas, words for unknown
    values, repeated lines and the errors of spreadsheets are made plain.

    Args:
        data_dir: A copy of VideoMem, of a published set, or a folder with one's own table.
        out: Folder for the copy; outside of `data_dir`.
        options: Of one's own table.
        allow_links: Follow links that lead out of `data_dir`.

    Raises:
        InputError: No such data, or `out` inside of them.
    """
    inventory = scan(data_dir, allow_links=allow_links)
    folder = Path(out).expanduser()
    if folder.resolve().is_relative_to(inventory.root):
        raise InputError(f"{folder} is inside {inventory.root}; write the copy to a folder beside it")
    repairs = []
    for path in _tables(data_dir, options, allow_links):
        if path.suffix.lower() in _KEPT:
            continue
        inside = path.relative_to(inventory.root) if path.is_relative_to(inventory.root) else Path(path.name)
        written = folder / (inside.with_suffix(".csv") if path.suffix.lower() in SPREADSHEETS else inside)
        written.parent.mkdir(parents=True, exist_ok=True)
        repair = Repair(path, written)
        text = _repaired(path, repair)
        with atomic_write(written) as partial:
            partial.write_bytes(text.encode())
        repairs.append(repair)
    return repairs


def _tables(data_dir: str | Path, options: Mapping[str, Any] | None, allow_links: bool) -> list[Path]:
    """The tables of a folder, damaged ones too: VideoMem's are found by names and headers, one's own as decided."""
    inventory = scan(data_dir, allow_links=allow_links)
    found = [path for path in inventory.tables() if ground_truth_release(path) or is_captions(path)]
    if found and not options:
        return found
    decided = read_decisions(inventory.root, options or {})
    if decided.table is not None:
        return [below(inventory.root, decided.table)]
    names = [decided.preset] if decided.preset else detect_presets(inventory)
    if names:
        return [path for paths in get_preset(names[0]).find_tables(inventory).values() for path in paths]
    top = inventory.folders[0]
    own = [top.path / name for name in top.names if is_table(Path(name)) and not name.lower().startswith("readme")]
    return own or list(open_table(data_dir, options, allow_links=allow_links).tables)  # which says what is missing


def _repaired(path: Path, repair: Repair) -> str:
    if path.suffix.lower() in SPREADSHEETS:
        table = read_table(path)
        repair.changes.append("a spreadsheet, written as CSV")
        rows = [
            ["" if (value := row.values.get(name)) is None else str(value) for name in table.columns]
            for row in table.rows
        ]
        return _csv([list(table.columns), *rows])
    if is_captions(path) and not ground_truth_release(path):
        return _repaired_captions(path, repair)
    return _repaired_table(path, repair)


def _repaired_captions(path: Path, repair: Repair) -> str:
    text = _plain_text(path, repair)
    kept: dict[str, None] = {}
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip():
            continue
        if any(line.rstrip().endswith(error) for error in SPREADSHEET_ERRORS):
            repair.changes.append(f"line {number} left out: a spreadsheet's error in place of the title")
        elif not is_caption_line(line):
            repair.changes.append(f"line {number} left out: '{printable(line[:40])}' is no video's name and title")
        elif line in kept:
            repair.changes.append(f"line {number} left out: it is there already")
        else:
            kept[line] = None
    return "".join(f"{line}\n" for line in kept)


def _repaired_table(path: Path, repair: Repair) -> str:
    text = _plain_text(path, repair)
    release = ground_truth_release(path)
    header: list[str] = []
    kept: dict[tuple[str, ...], str] = {}
    counts: Counter[str] = Counter()
    for line, cells in _lenient_records(text, repair):
        if not header:
            header = [cell.strip() for cell in cells]
            continue
        names = [*header, *[""] * (len(cells) - len(header))]
        made: Counter[str] = Counter()
        plain = [_plain_cell(cell, bool(_SCORE.search(name)), made) for cell, name in zip(cells, names, strict=False)]
        location = f"line {line}"
        if reason := _reason(path, line, header, plain, release):
            repair.changes.append(f"{location} left out: {reason}")
        elif tuple(plain) in kept:
            repair.changes.append(f"{location} left out: it repeats {kept[tuple(plain)]}")
        else:
            kept[tuple(plain)] = location
            counts += made
    rows = list(kept)
    try:
        refuse_cut_off("", [row[-1] for row in rows] if not text.endswith(("\n", "\r")) else [])
    except InputError:
        repair.changes.append(f"{kept[rows[-1]]} left out: the file is cut off in it")
        rows.pop()
    repair.changes += [f"{count} {what}" for what, count in counts.items()]
    return _csv([header, *map(list, rows)])


def _plain_text(path: Path, repair: Repair) -> str:
    text, notes = decode_leniently(path)
    repair.changes += notes
    return text


def _lenient_records(text: str, repair: Repair) -> Iterator[tuple[int, list[str]]]:
    """Split a text into records line by line, so that a damaged one does not take others with it."""
    lines = re.split(r"\r\n|\n|\r", text)
    separator = ""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if match := SEPARATOR_LINE.fullmatch(line.strip()):
            separator = match[1]
            repair.changes.append(f"line {number} left out: Excel's word on separators")
            continue
        if not separator:
            separator = delimiter(line)
        if separator != "," and "separators made commas" not in repair.changes:
            repair.changes.append("separators made commas")
        yield number, next(csv.reader([line], delimiter=separator), [])


def _plain_cell(cell: str, of_scores: bool, counts: Counter[str]) -> str:
    text = cell.strip()
    if text and text.lower() in UNKNOWN:
        counts["words for an unknown value left empty"] += 1
        return ""
    number = decimal_point(text, thousands=not of_scores)
    if number != text and NUMBER.fullmatch(number):
        counts["decimal commas made points"] += 1
        return number
    return text


def _reason(path: Path, line: int, header: list[str], cells: list[str], release: Any) -> str | None:
    """Why a row cannot be right; None for one that can."""
    if len(cells) != len(header):
        return f"{len(cells)} cells where the header has {len(header)}"
    if any("\ufffd" in cell or "\0" in cell for cell in cells):
        return "bytes that are no text"
    if release is None:
        return None
    row = TableRow(path, line, {name.lower(): cell for name, cell in zip(header, cells, strict=True)})
    try:
        read_row(row, release)
    except InputError as error:
        return str(error).removeprefix(f"{path}:{line}: ").rstrip(".")
    except KeyError:
        return f"no column {next(iter(COLUMNS[release]))}"
    return None


def _csv(rows: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
