"""Assigns videos to a participant, in the transaction that counts them, so that counts are never stale.

Where the design has decisions logged, each is stored with its seed, and so is every change of what they are based on:
`assignment.log` recomputes them.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, and_, insert, select, update

from videomem_hf.protocol.annotations import MISSING_REASONS
from videomem_hf.protocol.assignment.log import ASSIGNED, CHANGED
from videomem_hf.protocol.assignment.policy import Tally, assign_step1, assign_step2, reached, reliability
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import draw_step1, draw_step2, step1_filler_slots
from videomem_hf.protocol.server.database import (
    TALLY_COLUMNS,
    assignments,
    participants,
    showings,
    studies,
    videos,
)
from videomem_hf.schema import HORIZONS, Horizon


def assign(connection: Connection, design: StudyDesign, participant_id: int, step: int) -> str:
    """Draw the videos and order of a step, store them and count its targets as under way, in a writing transaction.

    Returns the seed of the draw, as text.
    """
    connection.execute(select(studies.c.id).with_for_update())
    seed = secrets.randbits(63)
    ids, tallies = read_tallies(connection)
    basis: dict[str, Any] = {}
    if step == 1:
        chosen = assign_step1(design, ids, tallies, seed)
        order = draw_step1(design, seed)
        first = chosen
    else:
        first, unseen = _step1_videos(connection, participant_id), _unseen_videos(connection, participant_id, 1)
        chosen = assign_step2(design, ids, tallies, first, seed, unseen)
        order = draw_step2(design, seed)
        basis = {"step1": first, "unseen": sorted(unseen)}
    own, columns = {"participant_id": participant_id, "step": step}, ("position", "slot", "role", "repeat")
    drawn = [
        {name: getattr(showing, name) for name in columns} | {"video_id": chosen[showing.slot]} for showing in order
    ]
    connection.execute(insert(showings), [own | showing for showing in drawn])
    if design.assignment.logged:
        known = {horizon: round(reliability(tally), 4) for horizon, tally in tallies.items()}
        content = basis | {"collection": len(ids), "chosen": chosen, "reliability": known}
        connection.execute(insert(assignments).values(kind=ASSIGNED, seed=str(seed), content=content, **own))
        _add_waiting(connection, [first[slot] for slot in step1_filler_slots(design.step1)], 1 if step == 1 else -1)
    _add(connection, step, 0, chosen[: (design.step1 if step == 1 else design.step2).targets], 1)
    return str(seed)


def read_tallies(connection: Connection) -> tuple[list[int], dict[Horizon, Tally]]:
    """The numbers of the videos, in order, and what is known of each."""
    known = (*TALLY_COLUMNS[1], *TALLY_COLUMNS[2], videos.c.long_waiting)
    rows = connection.execute(select(videos.c.id, *known).order_by(videos.c.id)).all()
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int64).reshape(len(rows), -1).T
    waiting: dict[Horizon, Any] = {"short_term": np.zeros(len(rows), dtype=np.int64), "long_term": columns[7]}
    tallies = {
        horizon: Tally(columns[first], columns[first + 1], columns[first + 2], waiting[horizon])
        for horizon, first in zip(HORIZONS, (1, 4), strict=True)
    }
    return columns[0].tolist(), tallies


def known_reliability(connection: Connection, design: StudyDesign) -> dict[Horizon, float]:
    """The reliability of each horizon's scores once what is under way is given; empty where nothing is logged."""
    if not design.assignment.logged:
        return {}
    return {horizon: reliability(tally) for horizon, tally in read_tallies(connection)[1].items()}


def is_complete(connection: Connection, design: StudyDesign) -> bool:
    """Whether the scores have the reliabilities at which the study stops, once what is under way is given."""
    return bool(design.assignment.wanted) and reached(design, read_tallies(connection)[1])


def release_targets(
    connection: Connection, participant_id: int, step: int, which: Literal["all", "missing", "counted"] = "all"
) -> None:
    """Remove targets of a step from the annotation counts.

    `which`: all where the step was closed early or failed its controls; missing where it passed, those without a
    response that counts; counted where a step that passed is deleted, all others.
    """
    connection.execute(select(studies.c.id).with_for_update())
    where = (showings.c.participant_id == participant_id, showings.c.step == step, showings.c.role == "target")
    targets = set(connection.scalars(select(showings.c.video_id).where(*where)))
    unseen = set() if which == "all" else _unseen_videos(connection, participant_id, step)
    released = sorted(targets & unseen if which == "missing" else targets - unseen)
    _add(connection, step, 0, released, -1)
    if not _is_logged(connection, participant_id, step):
        return
    given = [] if which == "all" else sorted(targets - unseen)
    pressed = select(showings.c.video_id).where(*where, showings.c.repeat, showings.c.pressed)
    hits = sorted(set(connection.scalars(pressed)) & set(given))
    sign = 1 if which == "missing" else -1
    _add(connection, step, 1, given, sign)
    _add(connection, step, 2, hits, sign)
    gone = _unused_fillers(connection, participant_id) if step == 1 and which != "missing" else []
    _add_waiting(connection, gone, -1)
    content = {"released": released, "given": given, "hits": hits, "sign": sign, "gone": gone}
    own = {"participant_id": participant_id, "step": step}
    connection.execute(insert(assignments).values(kind=CHANGED, content=content, **own))


def forget(connection: Connection, participant_id: int) -> None:
    """Take a participant's number off the log; the decisions stay, since later ones depend on them."""
    own = assignments.c.participant_id == participant_id
    connection.execute(update(assignments).where(own).values(participant_id=None))


def log_lines(connection: Connection, design: StudyDesign) -> Iterator[str]:
    """The log as `assignment.log` reads it; participants who withdrew have no name."""
    names = {row.id: row.name for row in connection.execute(select(videos.c.id, videos.c.name).order_by(videos.c.id))}
    yield json.dumps({"design": asdict(design), "videos": names}) + "\n"
    own = assignments.c
    person = and_(participants.c.id == own.participant_id, participants.c.withdrawn.is_(None))
    query = select(own.kind, participants.c.name, own.step, own.seed, own.content).outerjoin(participants, person)
    for kind, name, step, seed, content in connection.execute(query.order_by(own.id)):
        yield json.dumps({"kind": kind, "participant": name, "step": step, "seed": seed} | content) + "\n"


def _is_logged(connection: Connection, participant_id: int, step: int) -> bool:
    own = assignments.c
    where = (own.participant_id == participant_id, own.step == step, own.kind == ASSIGNED)
    return connection.execute(select(own.id).where(*where).limit(1)).first() is not None


def _unseen_videos(connection: Connection, participant_id: int, step: int) -> set[int]:
    """The participant's videos with a missing showing, up to and including this step."""
    missing = showings.c.note.in_(MISSING_REASONS[1:])
    where = (showings.c.participant_id == participant_id, showings.c.step <= step, missing)
    return set(connection.scalars(select(showings.c.video_id).where(*where)))


def _unused_fillers(connection: Connection, participant_id: int) -> list[int]:
    """The participant's fillers of step 1; none once step 2 has started."""
    own, role = showings.c.participant_id == participant_id, showings.c.role == "filler"
    if connection.execute(select(showings.c.step).where(own, showings.c.step == 2).limit(1)).first():
        return []
    return sorted(connection.scalars(select(showings.c.video_id).where(own, showings.c.step == 1, role)))


def _step1_videos(connection: Connection, participant_id: int) -> list[int]:
    """The video of each slot of the participant's step 1."""
    where = (showings.c.participant_id == participant_id, showings.c.step == 1)
    query = select(showings.c.slot, showings.c.video_id).where(*where).distinct().order_by(showings.c.slot)
    return [row.video_id for row in connection.execute(query)]


def _add(connection: Connection, step: int, which: Literal[0, 1, 2], targets: Sequence[int], change: int) -> None:
    """Add to the annotation counts (0), the annotations given (1) or their hits (2) of videos."""
    if targets:
        column = TALLY_COLUMNS[step][which]
        connection.execute(update(videos).where(videos.c.id.in_(targets)).values({column: column + change}))


def _add_waiting(connection: Connection, fillers: Sequence[int], change: int) -> None:
    """Add to the participants to whom videos were fillers of step 1, and who may return."""
    if fillers:
        column = videos.c.long_waiting
        connection.execute(update(videos).where(videos.c.id.in_(fillers)).values({column: column + change}))
