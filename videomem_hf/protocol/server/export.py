"""Exports what a study has collected: the table of annotations for `videomem score`, and the participants."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, case, func, select

from videomem_hf.protocol.annotations import COLUMNS, MISSING_REASONS
from videomem_hf.protocol.server.completion import completion_of, outcome_of
from videomem_hf.protocol.server.database import participants, practice, showings, steps, videos
from videomem_hf.protocol.server.game import Game, Playback, missing_reason
from videomem_hf.protocol.server.recruiting import INVITEE_COLUMNS, invitees
from videomem_hf.protocol.server.settings import StudySettings

PLAYBACK_COLUMNS: Final = tuple(entry.name for entry in fields(Playback))
"""How the clip played, beside the columns of `annotations`."""
_BROWSER_COLUMNS: Final = (
    "device", "os", "browser", "browser_version", "width", "height", "screen_width", "screen_height", "automation",
    "check_start_ms", "check_frames", "check_frames_dropped",
)  # fmt: skip
"""What the page found when the participant joined: kind of device, browser, window and screen in CSS pixels,
whether the browser says that a program controls it, and how it played the test clip."""
PRACTICE_COLUMNS: Final = (
    "participant", "step", "round", "position", "clip", "repeat", "pressed", "rt_ms", "note", "time",
)  # fmt: skip
_STEP_COLUMNS: Final = (
    "state", "outcome", "passed", "showings", "missing", "hidden_ms", "interruptions", "failures", "started", "closed",
    "code", "study_id", "session_id",
)  # fmt: skip
_ALL_STEP_COLUMNS: Final = tuple(f"step{step}_{column}" for step in (1, 2) for column in _STEP_COLUMNS)
_PERSON_COLUMNS: Final = (
    "participant", "platform", "platform_id", "joined", "language", "page", "withdrawn", "withdrawn_at",
)  # fmt: skip
_TAKEN: Final = frozenset({
    *_PERSON_COLUMNS, *_BROWSER_COLUMNS, *_ALL_STEP_COLUMNS, *COLUMNS, *PLAYBACK_COLUMNS, *PRACTICE_COLUMNS,
    "excluded", "reason",
})  # fmt: skip
"""Columns of all tables of a study."""
_ROWS: Final = 5000


def annotation_lines(connection: Connection) -> Iterator[str]:
    """The table of annotations (see `annotations`): every finished showing, and how its clip played.

    Those of participants who withdrew are left out.
    """
    own = showings.c
    query = (
        select(participants.c.name, own.step, own.position, videos.c.name, own.role)
        .add_columns(own.repeat, own.pressed, own.rt_ms, own.shown_ms, own.note)
        .add_columns(*(own[name] for name in PLAYBACK_COLUMNS))
        .join(participants, participants.c.id == own.participant_id)
        .join(videos, videos.c.id == own.video_id)
        .where(own.pressed.is_not(None), participants.c.withdrawn.is_(None))
        .order_by(own.participant_id, own.step, own.position)
        .execution_options(yield_per=_ROWS)
    )
    yield from _csv_text([[*COLUMNS, *PLAYBACK_COLUMNS]])
    for rows in connection.execute(query).partitions():
        yield from _csv_text(_showing_cells(row) for row in rows)


def participant_lines(connection: Connection, settings: StudySettings, key: str) -> Iterator[str]:
    """The table of participants: responses to the demographic questions, and of each step state, outcome and code.

    Completion codes are the settings', or derived from the study's `key`.
    """
    questions = [question.name for question in settings.demographics]
    header = [*_PERSON_COLUMNS, *_BROWSER_COLUMNS, *map(question_column, questions)]
    yield from _csv_text([[*header, *_ALL_STEP_COLUMNS]])
    failed = _failed_showings(connection)
    started = {(row.participant_id, row.step): row for row in connection.execute(select(steps))}
    for person in connection.execute(select(participants).order_by(participants.c.id)).all():
        own = [person.name, person.platform or "", _safe(person.platform_id or ""), format_utc(person.joined_ms)]
        own += [person.language or "", person.page or "", person.withdrawn or ""]
        own.append("" if person.withdrawn_ms is None else format_utc(person.withdrawn_ms))
        own += [_browser_cell(person.browser.get(name)) for name in _BROWSER_COLUMNS]
        own += [_safe(person.demographics.get(name, "")) for name in questions]
        for step in (1, 2):
            row, lost = started.get((person.id, step)), failed.get((person.id, step), (0, 0))
            code = "" if row is None else completion_of(settings, key, person, row).code
            own += _step_cells(row, lost, code)
        yield from _csv_text([own])


def question_column(name: str) -> str:
    """The column of a demographic question: its name, or question_NAME where another column is called so."""
    return f"question_{name}" if name in _TAKEN else name


def practice_lines(connection: Connection) -> Iterator[str]:
    """The responses of the practice, which are never scored, without those of participants who withdrew."""
    own = practice.c
    query = (
        select(participants.c.name, own.step, own.round, own.position, own.clip, own["repeat"], own.rt_ms, own.note)
        .add_columns(own.received_ms)
        .join(participants, participants.c.id == own.participant_id)
        .where(participants.c.withdrawn.is_(None))
        .order_by(own.participant_id, own.step, own.round, own.position)
    )
    yield from _csv_text([PRACTICE_COLUMNS])
    for name, step, number, position, clip, again, rt_ms, note, received in connection.execute(query):
        pressed = [int(rt_ms is not None), "" if rt_ms is None else f"{rt_ms:.1f}"]
        yield from _csv_text(
            [[name, step, number, position, clip, int(again), *pressed, note or "", format_utc(received)]]
        )


def _showing_cells(row: Any) -> list[Any]:
    rt_ms = "" if row.rt_ms is None else f"{row.rt_ms:.1f}"
    start = [*row[:5], int(row.repeat), int(row.pressed), rt_ms, format_utc(row.shown_ms), missing_reason(row.note)]
    return start + ["" if value is None else value for value in row[len(start) :]]


def _failed_showings(connection: Connection) -> dict[tuple[int, int], tuple[int, int]]:
    """By participant and step: the number of missing showings, and the milliseconds hidden in all."""
    own = showings.c
    missing = func.sum(case((own.note.in_(MISSING_REASONS[1:]), 1), else_=0))
    query = select(own.participant_id, own.step, missing, func.coalesce(func.sum(own.hidden_ms), 0))
    return {
        (row[0], row[1]): (int(row[2]), int(row[3]))
        for row in connection.execute(query.group_by(own.participant_id, own.step))
    }


def _browser_cell(value: Any) -> str | int | float:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else value if isinstance(value, int | float) else _safe(str(value))


def invitee_lines(connection: Connection, game: Game, key: str) -> Iterator[str]:
    """The table of those who can be invited to step 2, with their platform ids where these are kept."""
    yield from _csv_text([INVITEE_COLUMNS])
    for row, identity, opens, closes in invitees(connection, game, key):
        yield from _csv_text([[row.name, row.platform or "", _safe(identity), format_utc(opens), format_utc(closes)]])


def _step_cells(row: Any, failed: tuple[int, int], code: str) -> list[Any]:
    if row is None:
        return [""] * len(_STEP_COLUMNS)
    passed = "" if row.passed is None else int(row.passed)
    closed = "" if row.closed_ms is None else format_utc(row.closed_ms)
    counts = [row.next_position - 1, *failed, row.interruptions, row.failures]
    visit = [_safe(row.study_id or ""), _safe(row.session_id or "")]
    return [row.state, outcome_of(row), passed, *counts, format_utc(row.started_ms), closed, code, *visit]


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
