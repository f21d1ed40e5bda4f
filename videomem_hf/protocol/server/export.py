"""What a study has collected, as tables: the annotations that `videomem score` reads, and the participants."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from videomem_hf.protocol.annotations import COLUMNS
from videomem_hf.protocol.server.database import participants, showings, steps, videos
from videomem_hf.protocol.server.tokens import completion_code

_ROWS: Final = 5000


def annotation_lines(connection: Connection) -> Iterator[str]:
    """The table of annotations, as `annotations` describes it: every showing that is over, of everyone."""
    query = (
        select(
            participants.c.name,
            showings.c.step,
            showings.c.position,
            videos.c.name.label("video"),
            showings.c.role,
            showings.c.repeat,
            showings.c.answered,
            showings.c.rt_ms,
            showings.c.shown_ms,
        )
        .join(participants, participants.c.id == showings.c.participant_id)
        .join(videos, videos.c.id == showings.c.video_id)
        .where(showings.c.answered.is_not(None))
        .order_by(showings.c.participant_id, showings.c.step, showings.c.position)
        .execution_options(yield_per=_ROWS)
    )
    yield from _lines([COLUMNS])
    for rows in connection.execute(query).partitions():
        yield from _lines(
            (
                *row[:5],
                int(row.repeat),
                int(row.answered),
                "" if row.rt_ms is None else f"{row.rt_ms:.1f}",
                utc(row.shown_ms),
            )
            for row in rows
        )


def participant_lines(connection: Connection, key: str, questions: Iterable[str]) -> Iterator[str]:
    """The table of participants: what became of each step, its completion code, and the answers to the questions.

    Args:
        connection: The study's database.
        key: The study's key, of which completion codes are made.
        questions: Names of the questions that the study asks.
    """
    names = list(questions)
    step_columns = ("state", "passed", "showings", "interruptions", "begun", "closed", "code")
    header = ["participant", "platform", "platform_id", "joined", *names]
    yield from _lines([[*header, *(f"step{step}_{column}" for step in (1, 2) for column in step_columns)]])
    rows = connection.execute(select(steps)).all()
    begun = {(row.participant_id, row.step): row for row in rows}
    for person in connection.execute(select(participants).order_by(participants.c.id)).all():
        own = [person.name, person.platform or "", _typed(person.platform_id or ""), utc(person.joined_ms)]
        own += [_typed(person.demographics.get(name, "")) for name in names]
        for step in (1, 2):
            own += _step_cells(begun.get((person.id, step)), key, person.name)
        yield from _lines([own])


def _step_cells(row: Any, key: str, participant: str) -> list[Any]:
    if row is None:
        return [""] * 7
    code = completion_code(key, participant, row.step) if row.state == "completed" else ""
    passed = "" if row.passed is None else int(row.passed)
    closed = "" if row.closed_ms is None else utc(row.closed_ms)
    return [row.state, passed, row.next_position - 1, row.interruptions, utc(row.begun_ms), closed, code]


def utc(ms: int) -> str:
    """A time as the tables have it, such as 2026-11-22 17:30:00.250Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{ms % 1000:03d}Z"


def _lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    yield buffer.getvalue()


def _typed(text: str) -> str:
    """What a participant typed, as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
