"""Reads the two results tables of the original software, as a database tool exports them to CSV.

The software keeps one table per step, `results_day1_on_table` and `results_day2_on_table`, with one row per trial.
These columns are read, whatever their case and order; all others (demographics, screen, keys) are ignored:

| column | content |
|---|---|
| subject | the participant |
| url_name | address of the clip; the video's name is its last part without the ending |
| video_position | position of the showing in the step |
| target1_or_filler0 | 1 for a target |
| firstoccurrence1_or_secondoccurrence2 | 2 for a repeat in step 1; always 1 in step 2 |
| rt | response time in milliseconds, -1 without a press |
| sequence_id | number of the drawn order; only in step 1's table, which identifies it |
| trial_type | kind of trial; rows of text pages (`text`), which show no clip, are ignored |

A filler shown twice in step 1 is a vigilance filler. A target shown twice in step 2, which the design does not have,
counts as vigilance as well and gives no annotation. The tables hold no clock time, so the hours between the steps are
unknown. Cells may be quoted; NULL or \\N is an empty cell.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from videomem_hf.protocol.annotations import FILLER, TARGET, VIGILANCE, Annotations
from videomem_hf.protocol.checks import find_contradiction
from videomem_hf.schema import InputError

_REMEDY: Final = "correct the row or export the table again"
_ROLE: Final = "target1_or_filler0"
_OCCURRENCE: Final = "firstoccurrence1_or_secondoccurrence2"
_NEEDED: Final = ("subject", "url_name", "video_position", _ROLE, _OCCURRENCE, "rt")


def is_original_header(header: Sequence[str]) -> bool:
    """Whether a header (lower case) is that of a results table of the original software."""
    return _OCCURRENCE in header and _ROLE in header


def read_original_tables(files: Sequence[Path]) -> Annotations:
    """Read one or both results tables; raises InputError for another table, two of one step, or an inconsistent row."""
    parts = [_ResultsTable(file) for file in files]
    steps = [part.step for part in parts]
    if len(set(steps)) < len(steps):
        listed = ", ".join(str(file) for file in files[:4])
        raise InputError(f"Two tables of step {max(steps, key=steps.count)} ({listed}); give one table per step.")
    participants, participant = _merge([part.subjects for part in parts])
    videos, video = _merge([part.videos for part in parts])
    rt = np.concatenate([part.rt for part in parts])
    annotations = Annotations(
        participants=participants,
        videos=videos,
        participant=participant,
        step=np.concatenate([np.full(len(part.rt), part.step, np.int8) for part in parts]),
        position=np.concatenate([part.position for part in parts]),
        video=video,
        role=np.concatenate([np.where(part.target, TARGET, FILLER).astype(np.int8) for part in parts]),
        repeat=np.concatenate([part.target if part.step == 2 else part.second for part in parts]),
        pressed=rt >= 0,
        rt_ms=np.where(rt >= 0, np.maximum(rt, 1), np.nan).astype(np.float32),
        time=np.full(len(participant), np.datetime64("NaT"), "datetime64[ms]"),
        missing=np.zeros(len(participant), np.int8),
        locate=partial(_locate, parts),
    )
    _mark_vigilance(annotations)
    if contradiction := find_contradiction(annotations):
        row, text = contradiction
        raise InputError(f"{_locate(parts, row)}: {text}; {_REMEDY}.")
    return annotations


def _locate(parts: Sequence["_ResultsTable"], row: int) -> str:
    """The file and line of a showing."""
    for part in parts:
        if row < len(part.rt):
            break
        row -= len(part.rt)
    return f"{part.path}:{part.rows[row] + 2}"


class _ResultsTable:
    """One of the two tables, its rows with a clip."""

    def __init__(self, path: Path) -> None:
        self.path = path
        table, names = _read_columns(path)
        self.step = 1 if "sequence_id" in names or "day1" in path.name.lower() else 2
        kinds = table.column("trial_type").to_pylist() if "trial_type" in names else [None] * table.num_rows
        self.rows = np.flatnonzero([kind != "text" for kind in kinds])
        if not len(self.rows):
            raise InputError(f"{path}: no row with a clip; give the results table with its rows.")
        self._columns = {name: table.column(name).take(pa.array(self.rows)).combine_chunks() for name in _NEEDED}
        self.position = self._numbers("video_position", "a whole number from 1", 1, 1e6).astype(np.int32)
        self.target = self._numbers(_ROLE, "0 or 1", 0, 1) == 1
        self.second = self._numbers(_OCCURRENCE, "1 or 2", 1, 2) == 2
        self.rt = self._numbers("rt", "milliseconds, or -1 without a press", -1, 600_000, whole=False)
        self.subjects = self._text("subject", "a participant's name")
        self.videos = [PurePosixPath(url.replace("\\", "/")).stem for url in self._text("url_name", "a clip's address")]

    def error(self, row: int, text: str) -> InputError:
        return InputError(f"{self.path}:{row + 2}: {text}; {_REMEDY}.")

    def _text(self, column: str, allowed: str) -> list[str]:
        values = self._columns[column]
        bad = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
        if len(bad):
            raise self.error(int(self.rows[bad[0]]), f"column {column} is empty, not {allowed}")
        return values.to_pylist()

    def _numbers(self, column: str, allowed: str, low: float, high: float, whole: bool = True) -> NDArray[np.float64]:
        values = compute.utf8_trim_whitespace(self._columns[column])
        pattern = r"^-?[0-9]+$" if whole else r"^-?[0-9]+(\.[0-9]+)?$"
        fits = compute.fill_null(compute.match_substring_regex(values, pattern), False)
        numbers = compute.if_else(fits, values, "nan").cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(~((numbers >= low) & (numbers <= high)))
        if len(bad):
            found = values[int(bad[0])].as_py()
            raise self.error(int(self.rows[bad[0]]), f"'{found or ''}' in column {column} is not {allowed}")
        return numbers


def _read_columns(path: Path) -> tuple[pa.Table, list[str]]:
    """The table with the columns that are read, all as text, under lower-case names."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(10_000).rstrip("\r\n")
    delimiter = max(",;\t", key=first.count)
    with path.open("rb") as file:
        escape = "\\" if b'\\"' in file.read(1 << 20) else False
    names = [name.strip().strip('"').lower() for name in first.split(delimiter)]
    if missing := [name for name in _NEEDED if name not in names]:
        raise InputError(
            f"{path}:1: no column '{missing[0]}' among {', '.join(names)[:200]}; the original software's results table "
            f"has {', '.join(_NEEDED)}."
        )
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, escape_char=escape, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[name for name in (*_NEEDED, "trial_type") if name in names],
                null_values=["", "NULL", "N" if escape else "\\N"],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a CSV table ({error}); export the table again.") from None
    return table, names


def _merge(parts: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The distinct names of all tables in order of appearance, and each row's index among them."""
    values = pa.chunked_array([pa.array(part, pa.string()) for part in parts]).combine_chunks().dictionary_encode()
    return tuple(values.dictionary.to_pylist()), values.indices.to_numpy(zero_copy_only=False)


def _mark_vigilance(annotations: Annotations) -> None:
    """Mark videos that a step shows twice as vigilance, except the targets of step 1."""
    order, same = annotations.by_video, annotations.same_step_and_video
    first = order[:-1][same]
    vigilance = (annotations.role[first] != TARGET) | (annotations.step[first] != 1)
    for showing in (first, order[1:][same]):
        annotations.role[showing[vigilance]] = VIGILANCE
