"""Exports what a study has collected: the table of annotations for `videomem score`, and the participants."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from videomem_hf.protocol.annotations import COLUMNS
from videomem_hf.protocol.server.database import participants, showings, steps, videos
from videomem_hf.protocol.server.tokens import completion_code

_ROWS: Final = 5000


def annotation_lines(connection: Connection) -> Iterator[str]:
    """The table of annotations (see `annotations`): every finished showing of every participant."""
    own = showings.c
    query = (
        select(participants.c.name, own.step, own.position, videos.c.name, own.role)
        .add_columns(own.repeat, own.pressed, own.rt_ms, own.shown_ms)
        .join(participants, participants.c.id == own.participant_id)
        .join(videos, videos.c.id == own.video_id)
        .where(own.pressed.is_not(None))
        .order_by(own.participant_id, own.step, own.position)
        .execution_options(yield_per=_ROWS)
    )
    yield from _csv_text([COLUMNS])
    for rows in connection.execute(query).partitions():
        yield from _csv_text(_showing_cells(row) for row in rows)


def participant_lines(connection: Connection, key: str, questions: Sequence[str]) -> Iterator[str]:
    """The table of participants: the responses to these demographic questions, state and completion code of each step.

    Completion codes are derived from the study's `key`.
    """
    step_columns = ("state", "passed", "showings", "interruptions", "started", "closed", "code")
    header = ["participant", "platform", "platform_id", "joined", *questions]
    yield from _csv_text([[*header, *(f"step{step}_{column}" for step in (1, 2) for column in step_columns)]])
    started = {(row.participant_id, row.step): row for row in connection.execute(select(steps))}
    for person in connection.execute(select(participants).order_by(participants.c.id)).all():
        own = [person.name, person.platform or "", _safe(person.platform_id or ""), format_utc(person.joined_ms)]
        own += [_safe(person.demographics.get(name, "")) for name in questions]
        for step in (1, 2):
            own += _step_cells(started.get((person.id, step)), key, person.name)
        yield from _csv_text([own])


def _showing_cells(row: Any) -> list[Any]:
    rt_ms = "" if row.rt_ms is None else f"{row.rt_ms:.1f}"
    return [*row[:5], int(row.repeat), int(row.pressed), rt_ms, format_utc(row.shown_ms)]


def _step_cells(row: Any, key: str, participant: str) -> list[Any]:
    if row is None:
        return [""] * 7
    code = completion_code(key, participant, row.step) if row.state == "completed" else ""
    passed = "" if row.passed is None else int(row.passed)
    closed = "" if row.closed_ms is None else format_utc(row.closed_ms)
    return [row.state, passed, row.next_position - 1, row.interruptions, format_utc(row.started_ms), closed, code]


def format_utc(ms: int) -> str:
    """Format a time for the tables, such as 2026-11-22 17:30:00.250Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{ms % 1000:03d}Z"


def _csv_text(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    yield buffer.getvalue()


def _safe(text: str) -> str:
    """Text that a participant typed, as a cell that no spreadsheet evaluates as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
