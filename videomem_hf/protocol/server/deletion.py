"""Deletes a participant on request: all their data, and their part of the annotation counts."""

from sqlalchemy import Connection, delete, func, select

from videomem_hf.protocol.server.assignment import release_targets
from videomem_hf.protocol.server.database import participants, showings, steps
from videomem_hf.schema import InputError


def delete_participant(connection: Connection, name: str) -> int:
    """Delete a participant, in a writing transaction; their videos are assigned to others again.

    Returns the number of responses that were deleted. Raises InputError if there is no participant of this name.
    """
    person = connection.execute(select(participants.c.id).where(participants.c.name == name)).first()
    if person is None:
        raise InputError(f"No participant {name!r}; names are in the table of participants, such as p0123456789.")
    for row in connection.execute(select(steps).where(steps.c.participant_id == person.id).with_for_update()).all():
        if row.state == "playing":
            release_targets(connection, person.id, row.step)
        elif row.passed:
            release_targets(connection, person.id, row.step, "counted")
    responses = select(func.count()).where(showings.c.participant_id == person.id, showings.c.pressed.is_not(None))
    count = connection.execute(responses).scalar_one()
    connection.execute(delete(participants).where(participants.c.id == person.id))  # cascades to steps and showings
    return int(count)
