"""Assigns videos to a participant, in the transaction that counts them, so that counts are never stale."""

import secrets
from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from videomem_hf.protocol.annotations import MISSING_REASONS
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import choose_step1_videos, choose_step2_videos, draw_step1, draw_step2
from videomem_hf.protocol.server.database import COUNT_COLUMNS, showings, studies, videos


def assign(connection: Connection, design: StudyDesign, participant_id: int, step: int) -> str:
    """Draw the videos and order of a step, store them and count its targets as under way, in a writing transaction.

    Returns the seed of the draw, as text.
    """
    connection.execute(select(studies.c.id).with_for_update())
    seed = secrets.randbits(63)
    rows = connection.execute(select(videos.c.id, COUNT_COLUMNS[step]).order_by(videos.c.id)).all()
    ids, counts = [row[0] for row in rows], [row[1] for row in rows]
    if step == 1:
        chosen = choose_step1_videos(design, ids, counts, seed)
        order = draw_step1(design, seed)
    else:
        first, unseen = _step1_videos(connection, participant_id), _unseen_videos(connection, participant_id, 1)
        chosen = choose_step2_videos(design, ids, first, seed, counts, unseen)
        order = draw_step2(design, seed)
    own, columns = {"participant_id": participant_id, "step": step}, ("position", "slot", "role", "repeat")
    drawn = [
        {name: getattr(showing, name) for name in columns} | {"video_id": chosen[showing.slot]} for showing in order
    ]
    connection.execute(insert(showings), [own | showing for showing in drawn])
    _add_to_counts(connection, step, chosen[: (design.step1 if step == 1 else design.step2).targets], 1)
    return str(seed)


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
    if which != "all":
        unseen = _unseen_videos(connection, participant_id, step)
        targets = targets & unseen if which == "missing" else targets - unseen
    _add_to_counts(connection, step, sorted(targets), -1)


def _unseen_videos(connection: Connection, participant_id: int, step: int) -> set[int]:
    """The participant's videos with a missing showing, up to and including this step."""
    missing = showings.c.note.in_(MISSING_REASONS[1:])
    where = (showings.c.participant_id == participant_id, showings.c.step <= step, missing)
    return set(connection.scalars(select(showings.c.video_id).where(*where)))


def _step1_videos(connection: Connection, participant_id: int) -> list[int]:
    """The video of each slot of the participant's step 1."""
    where = (showings.c.participant_id == participant_id, showings.c.step == 1)
    query = select(showings.c.slot, showings.c.video_id).where(*where).distinct().order_by(showings.c.slot)
    return [row.video_id for row in connection.execute(query)]


def _add_to_counts(connection: Connection, step: int, targets: Sequence[int], change: int) -> None:
    column = COUNT_COLUMNS[step]
    connection.execute(update(videos).where(videos.c.id.in_(targets)).values({column: column + change}))
