"""Who is admitted to a study: platforms and their ids, dates, the quota, and who is recognised when they come back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, func, or_, select, update

from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.server.assignment import is_complete
from videomem_hf.protocol.server.completion import readable_id
from videomem_hf.protocol.server.database import participants, steps
from videomem_hf.protocol.server.game import Game
from videomem_hf.protocol.server.pause import pause_message
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.tokens import hash_secret, new_token, platform_id, seal

Platform = Literal["prolific", "mturk", "sona", "connect", "link"]
PLATFORMS: Final = get_args(Platform)
INVITEE_COLUMNS: Final = ("participant", "platform", "platform_id", "opens", "closes")

Admission = Literal["new", "not_open", "study_closed", "full", "paused"]
"""What a newcomer meets: they can join, or why not."""


@dataclass(frozen=True)
class StoredId:
    """An id of a recruiting platform as it is stored, to recognise its owner and to read it again; each may be None."""

    known: str | None
    sealed: str | None


def stored_id(settings: StudySettings, key: str, platform: str, identity: str) -> StoredId:
    """The stored forms of an id, by the setting `participant_ids`; `key` is the study's."""
    if settings.participant_ids == "plain":
        return StoredId(identity, None)
    sealed = seal(key, identity) if settings.participant_ids == "encrypted" else None
    return StoredId(platform_id(key, platform, identity), sealed)


def admission(connection: Connection, settings: StudySettings, design: StudyDesign, now: int) -> Admission:
    """What a newcomer meets at this time."""
    if pause_message(connection) is not None:
        return "paused"
    if settings.opens_ms is not None and now < settings.opens_ms:
        return "not_open"
    if settings.closes_ms is not None and now >= settings.closes_ms:
        return "study_closed"
    if settings.participants_max:
        counted = or_(steps.c.state == "playing", steps.c.passed)
        query = select(func.count()).select_from(steps).where(steps.c.step == 1, counted)
        if connection.execute(query).scalar_one() >= settings.participants_max:
            return "full"
    return "full" if is_complete(connection, design) else "new"


def recognise(connection: Connection, known: str | None) -> str | None:
    """A new token for the participant with this stored id, who goes on in this browser; None if there is none."""
    token = new_token()
    owner = update(participants).where(participants.c.platform_id == known)
    return token if connection.execute(owner.values(token_hash=hash_secret(token))).rowcount == 1 else None


def invitees(connection: Connection, game: Game, key: str) -> Iterator[tuple[Any, str, int, int]]:
    """Who passed step 1 and has not started step 2: row, platform id (or empty), when step 2 opens and closes."""
    second = select(steps.c.participant_id).where(steps.c.step == 2)
    passed = (steps.c.step == 1, steps.c.state == "completed", steps.c.passed, steps.c.participant_id.not_in(second))
    query = (
        select(participants, steps.c.closed_ms).join(steps, steps.c.participant_id == participants.c.id).where(*passed)
    )
    for row in connection.execute(query.order_by(participants.c.id)):
        yield row, readable_id(game.settings, key, row), *game.return_window_ms(row)
