"""The progress of a study: participants, who passed, and the annotation counts of each video."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, and_, case, func, select

from videomem_hf.protocol.annotations import MISSING_REASONS
from videomem_hf.protocol.server.database import participants, showings, steps, videos
from videomem_hf.protocol.server.visits import last_pages, read_counts

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class StepReport:
    """One step: numbers of participants in each state, of finished showings, and of showings with each note.

    Attributes:
        technical: Those whose equipment failed too often: they are paid and not scored.
        withdrawn: Those who withdrew and let their data be kept.
        left_at: Those who abandoned it, by the quarter in which they left.
        rt_ms: Mean response time of the presses; None without any.
        paid_hours: Of all who get a completion code without having left, from their start to their end.
    """

    playing: int
    passed: int
    failed: int
    abandoned: int
    technical: int
    withdrawn: int
    responses: int
    notes: dict[str, int]
    left_at: tuple[int, int, int, int]
    rt_ms: float | None
    paid_hours: float

    @property
    def pass_rate(self) -> float | None:
        """Share of participants who passed the controls, of those who completed the step; None if nobody did."""
        completed = self.passed + self.failed
        return self.passed / completed if completed else None


@dataclass(frozen=True)
class VideoReport:
    """One video: annotations from participants who passed, and under way."""

    name: str
    short_given: int
    short_underway: int
    long_given: int
    long_underway: int


@dataclass(frozen=True)
class StudyReport:
    """The whole study.

    Attributes:
        joined: Number of people who consented.
        visits: How many opened the page, did not agree, or had an unsuitable device, by `visits.COUNTED`.
        last_pages: How many are at a page or left there, by step and page; without those who play or reached the end.
        withdrawn: How many withdrew, by what they chose for their data.
        days: How many joined on each day (UTC).
    """

    joined: int
    visits: dict[str, int]
    last_pages: dict[str, int]
    withdrawn: dict[str, int]
    days: dict[str, int]
    steps: dict[int, StepReport]
    videos: list[VideoReport]

    def spread(self, column: str) -> str:
        """Range and median of an annotation count over the videos, as text."""
        counts = np.array([getattr(video, column) for video in self.videos])
        return f"{counts.min()} to {counts.max()}, median {np.median(counts):g}"


def study_report(connection: Connection) -> StudyReport:
    joined = connection.execute(select(func.count()).select_from(participants)).scalar_one()
    return StudyReport(
        joined=joined,
        visits=read_counts(connection),
        last_pages=last_pages(connection),
        withdrawn=_withdrawn(connection),
        days=_days(connection),
        steps={step: _step(connection, step) for step in (1, 2)},
        videos=_videos(connection),
    )


def _withdrawn(connection: Connection) -> dict[str, int]:
    own = participants.c.withdrawn
    query = select(own, func.count()).where(own.is_not(None)).group_by(own).order_by(own)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _days(connection: Connection) -> dict[str, int]:
    day = (participants.c.joined_ms // _DAY_MS).label("day")
    query = select(day, func.count()).group_by("day").order_by("day")
    return {
        f"{datetime.fromtimestamp(row[0] * _DAY_MS / 1000, UTC):%Y-%m-%d}": row[1] for row in connection.execute(query)
    }


def _step(connection: Connection, step: int) -> StepReport:
    query = select(steps.c.state, steps.c.passed, func.count()).where(steps.c.step == step)
    rows = connection.execute(query.group_by(steps.c.state, steps.c.passed))
    states = Counter({(state, passed): count for state, passed, count in rows})
    over = (showings.c.step == step, showings.c.pressed.is_not(None))
    query = select(showings.c.note, func.count()).where(*over).group_by(showings.c.note)
    notes: dict[Any, int] = {row[0]: row[1] for row in connection.execute(query)}
    return StepReport(
        playing=states["playing", None],
        passed=states["completed", True],
        failed=states["completed", False],
        abandoned=states["abandoned", False],
        technical=states["technical", False],
        withdrawn=states["withdrawn", False],
        responses=sum(notes.values()),
        notes={note: notes[note] for note in sorted(notes.keys() - {None})},
        left_at=_left_at(connection, step),
        rt_ms=connection.execute(select(func.avg(showings.c.rt_ms)).where(*over)).scalar_one(),
        paid_hours=_paid_hours(connection, step),
    )


def _left_at(connection: Connection, step: int) -> tuple[int, int, int, int]:
    shown = func.count().label("shown")
    own = and_(showings.c.participant_id == steps.c.participant_id, showings.c.step == steps.c.step)
    query = (
        select(steps.c.next_position, shown)
        .join(showings, own)
        .where(steps.c.step == step, steps.c.state == "abandoned")
        .group_by(steps.c.participant_id, steps.c.next_position)
    )
    quarters = Counter(min(3, (row[0] - 1) * 4 // row[1]) for row in connection.execute(query))
    return quarters[0], quarters[1], quarters[2], quarters[3]


def _paid_hours(connection: Connection, step: int) -> float:
    paid = steps.c.state.in_(("completed", "technical"))
    query = select(func.sum(steps.c.closed_ms - steps.c.started_ms)).where(steps.c.step == step, paid)
    return int(connection.execute(query).scalar_one() or 0) / 3_600_000


def _videos(connection: Connection) -> list[VideoReport]:
    """A target is shown once as a repeat in each step, so repeats of targets are annotations, unless one is missing."""
    target = and_(showings.c.role == "target", showings.c.repeat)
    missing = showings.c.note.in_(MISSING_REASONS[1:])
    unseen = select(showings.c.participant_id, showings.c.video_id).where(missing).distinct().subquery()
    own = and_(unseen.c.participant_id == showings.c.participant_id, unseen.c.video_id == showings.c.video_id)
    given = and_(steps.c.state == "completed", steps.c.passed)

    def count(step: int, state: Any) -> Any:
        return func.sum(case((and_(steps.c.step == step, state, unseen.c.video_id.is_(None)), 1), else_=0))

    counts = [count(step, state) for step in (1, 2) for state in (given, steps.c.state == "playing")]
    query = (
        select(videos.c.name, *counts)
        .select_from(videos)
        .outerjoin(showings, and_(showings.c.video_id == videos.c.id, target))
        .outerjoin(steps, and_(steps.c.participant_id == showings.c.participant_id, steps.c.step == showings.c.step))
        .outerjoin(unseen, own)
        .group_by(videos.c.id, videos.c.name)
        .order_by(videos.c.id)
    )
    return [VideoReport(row[0], *(int(value or 0) for value in row[1:])) for row in connection.execute(query)]
