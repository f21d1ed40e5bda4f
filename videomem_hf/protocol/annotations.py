"""The annotations of a study in memory, and as a table with one row per showing.

The table is what a study exports and what scoring reads. UTF-8, comma, a header, these columns in any order:

| column | content |
|---|---|
| participant | any text that identifies the participant |
| step | 1 or 2 |
| position | position of the showing in the step, from 1 |
| video | the video's name, such as video10 |
| role | target, vigilance or filler; a step-2 video is a target or a filler |
| repeat | 1 if the participant has seen the video before, so that a press is a hit; else 0 |
| pressed | 1 if the key was pressed in time, else 0; `answered` in tables written before |
| rt_ms | milliseconds from the start of the clip to the press; empty without a press or where unknown |
| time | start of the showing, UTC, such as 2026-11-22 17:30:00.250Z; empty where unknown |
| missing | why the response does not count, one of `MISSING_REASONS`; empty if it counts |

The columns `rt_ms`, `time` and `missing` are optional; others are kept. The order of the rows does not matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from videomem_hf.protocol.schedule import ROLES
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

COLUMNS: Final = ("participant", "step", "position", "video", "role", "repeat", "pressed", "rt_ms", "time", "missing")
"""Also the fields of `Annotations` with one element per showing."""
OLD_COLUMNS: Final = {"answered": "pressed"}
"""Names that columns had in tables written before."""
OPTIONAL_COLUMNS: Final = frozenset({"rt_ms", "time", "missing"})
MISSING_REASONS: Final = ("", "interrupted", "unplayable", "hidden", "stalled", "ended_early")
"""Why a response is missing: the page was reloaded or closed, the clip did not start, the window was not visible, the
clip stood still, or it ended before its time. The first means that the response counts."""
TARGET, VIGILANCE, FILLER = range(3)
"""Roles as numbers: indices in `ROLES`."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """All showings of a study and the responses to them: the table's columns as arrays, `(showings,)` each.

    Attributes:
        participants, videos: Names, in the order of the indices in `participant` and `video`.
        role: Index in `ROLES`.
        rt_ms: NaN without a press or where unknown.
        time: UTC, in milliseconds; NaT where unknown.
        missing: Index in `MISSING_REASONS`; 0 where the response counts.
        extra: The table's other columns as text, one row per showing; None without any.
        locate: Names the place of a showing, such as `annotations.csv:17`; None if it was not read from a file.
    """

    participants: tuple[str, ...]
    videos: tuple[str, ...]
    participant: NDArray[np.int32]
    step: NDArray[np.int8]
    position: NDArray[np.int32]
    video: NDArray[np.int32]
    role: NDArray[np.int8]
    repeat: NDArray[np.bool_]
    pressed: NDArray[np.bool_]
    rt_ms: NDArray[np.float32]
    time: NDArray[np.datetime64]
    missing: NDArray[np.int8]
    _: KW_ONLY
    extra: pa.Table | None = None
    locate: Callable[[int], str] | None = None

    def __len__(self) -> int:
        return len(self.step)

    @cached_property
    def lag(self) -> NDArray[np.int32]:
        """`(showings,)` lag of a repeat within a step, the difference of its two positions; 0 for any other showing."""
        order = self.by_video
        lag = np.zeros(len(self), dtype=np.int32)
        lag[order[1:]] = np.where(self.same_step_and_video, np.diff(self.position[order]), 0)
        return lag

    @cached_property
    def by_video(self) -> NDArray[np.int64]:
        """Indices that sort the showings by participant, video, step, position."""
        positions = int(self.position.max(initial=0)) + 1
        key = self.participant.astype(np.int64) * len(self.videos) + self.video
        return np.argsort((key * 2 + self.step - 1) * positions + self.position)

    @cached_property
    def by_position(self) -> NDArray[np.int64]:
        """Indices that sort the showings by participant, step, position."""
        positions = int(self.position.max(initial=0)) + 1
        key = (self.participant.astype(np.int64) * 2 + self.step - 1) * positions + self.position
        if (np.diff(key) > 0).all():
            return np.arange(len(key))
        return np.argsort(key, kind="stable")

    @cached_property
    def same_step_and_video(self) -> NDArray[np.bool_]:
        """In the order of `by_video`: whether a showing has the participant, video and step of the one before it."""
        columns = np.stack([self.participant, self.video, self.step])[:, self.by_video]
        return (np.diff(columns) == 0).all(axis=0)

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """`(showings,)` whether the response counts: neither it nor an earlier showing of the video is missing.

        A repeat tells nothing about memory if the participant did not see the video the first time.
        """
        if not self.missing.any():
            return np.ones(len(self), dtype=bool)
        order = self.by_video
        starts = np.r_[True, (np.diff(np.stack([self.participant, self.video])[:, order]) != 0).any(axis=0)]
        missing = self.missing[order] != 0
        so_far = np.cumsum(missing)
        before = (so_far - missing)[starts][np.cumsum(starts) - 1]
        counted = np.empty(len(self), dtype=bool)
        counted[order] = so_far == before
        return counted

    def select(self, rows: NDArray[np.bool_]) -> "Annotations":
        """The showings of a mask `(showings,)`; the lists of names stay as they are, so that indices remain valid."""
        arrays = {name: getattr(self, name)[rows] for name in COLUMNS}
        extra = None if self.extra is None else self.extra.filter(pa.array(rows))
        return replace(self, **arrays, extra=extra, locate=None)


def write_annotations(annotations: Annotations, path: Path | str) -> None:
    """Write the table that `read_annotations` reads; raises InputError where the file cannot be written."""
    names = (*annotations.participants, *annotations.videos)
    style = "needed" if any(set(name) & set(',"\r\n') for name in names) else "none"
    columns = {
        "participant": _name_column(annotations.participant, annotations.participants),
        "step": pa.array(annotations.step),
        "position": pa.array(annotations.position),
        "video": _name_column(annotations.video, annotations.videos),
        "role": _name_column(annotations.role, ROLES),
        "repeat": pa.array(annotations.repeat.astype(np.int8)),
        "pressed": pa.array(annotations.pressed.astype(np.int8)),
        "rt_ms": pa.array(np.round(annotations.rt_ms.astype(np.float64), 1), mask=np.isnan(annotations.rt_ms)),
        "time": pa.array(annotations.time.astype("datetime64[ms]")).cast(pa.timestamp("ms", "UTC")),
        "missing": _name_column(annotations.missing, (None, *MISSING_REASONS[1:])),
    }
    extra = annotations.extra
    if extra is not None:
        columns |= dict(zip(extra.column_names, extra.columns, strict=True))
        style = "needed"
    try:
        with Path(path).open("wb") as file:
            header = ",".join(name if name in COLUMNS else f'"{name}"' for name in columns)
            file.write(f"{header}\n".encode())
            csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=False, quoting_style=style))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)}); give another path.") from None


def _name_column(indices: NDArray[np.generic], names: Sequence[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).dictionary_decode()
