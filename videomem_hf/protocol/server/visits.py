"""Who opened the study without joining, where participants left, and who withdrew."""

from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from videomem_hf.protocol.server.assignment import forget, release_targets
from videomem_hf.protocol.server.database import counts, participants, practice, showings, steps

Counted = Literal[
    "opened", "declined", "unsuitable_keyboard", "unsuitable_codec", "unsuitable_storage", "unsuitable_screen",
    "unsuitable_start", "unsuitable_speed",
]  # fmt: skip
COUNTED: Final = get_args(Counted)
"""What is counted of people of whom nothing is kept."""

StepPage = Literal["keyboard", "instructions", "practice", "ready", "game", "debriefing", "end"]
PAGES: Final = get_args(StepPage)
"""The pages of a step, in their order."""

Choice = Literal["deleted", "kept_out"]
"""What becomes of the data of someone who withdraws."""


def prepare_counts(connection: Connection) -> None:
    """Add the counts that a database does not have yet."""
    known = set(connection.scalars(select(counts.c.name)))
    if missing := [{"name": name, "total": 0} for name in COUNTED if name not in known]:
        connection.execute(insert(counts), missing)


def count_visit(connection: Connection, name: Counted) -> None:
    connection.execute(update(counts).where(counts.c.name == name).values(total=counts.c.total + 1))


def read_counts(connection: Connection) -> dict[str, int]:
    """Each count by its name."""
    known = {row.name: int(row.total) for row in connection.execute(select(counts))}
    return {name: known.get(name, 0) for name in COUNTED}


def note_page(connection: Connection, person: Row[Any], step: int, page: StepPage) -> None:
    """Note the last page that a participant opened, unless they have withdrawn."""
    mine = (participants.c.id == person.id, participants.c.withdrawn.is_(None))
    connection.execute(update(participants).where(*mine).values(page=f"{step} {page}"))


def last_pages(connection: Connection) -> dict[str, int]:
    """Of those who are neither at an end nor play nor have withdrawn, how many are on each page or left there."""
    playing = select(steps.c.participant_id).where(steps.c.state == "playing")
    where = (participants.c.withdrawn.is_(None), participants.c.id.not_in(playing))
    query = select(participants.c.page, func.count()).where(*where).group_by(participants.c.page)
    found = {row[0] or "1 keyboard": int(row[1]) for row in connection.execute(query)}
    order = [f"{step} {page}" for step in (1, 2) for page in PAGES[:-2]]
    return {page: found[page] for page in order if page in found}


def withdraw(connection: Connection, person: Row[Any], choice: Choice, now: int) -> None:
    """Take a participant out of the study for good; their videos are assigned to others again.

    Their data are deleted but for name and platform id, or kept and left out of every table of annotations.
    """
    if person.withdrawn is not None:
        return
    mine = steps.c.participant_id == person.id
    for row in connection.execute(select(steps).where(mine).with_for_update()).all():
        if row.state == "playing":
            release_targets(connection, person.id, row.step)
        elif row.passed:
            release_targets(connection, person.id, row.step, "counted")
    values: dict[str, Any] = {"withdrawn": choice, "withdrawn_ms": now, "return_hash": None}
    if choice == "deleted":
        for table in (showings, steps, practice):
            connection.execute(delete(table).where(table.c.participant_id == person.id))
        forget(connection, person.id)
        values |= {"demographics": {}, "browser": {}, "language": None, "page": None}
    else:
        connection.execute(
            update(steps)
            .where(mine)
            .values(state="withdrawn", passed=False, closed_ms=func.coalesce(steps.c.closed_ms, now))
        )
    connection.execute(update(participants).where(participants.c.id == person.id).values(**values))
