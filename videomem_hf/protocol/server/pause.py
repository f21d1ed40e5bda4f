"""Pauses a study, with a message for those who wait."""

from typing import Final

from sqlalchemy import Connection, select, update

from videomem_hf.protocol.server.database import studies
from videomem_hf.schema import InputError

MESSAGE_MAX: Final = 1000
"""Characters of the message."""


def pause_message(connection: Connection) -> str | None:
    """What participants read while the study is paused; None while it is not."""
    return connection.execute(select(studies.c.pause_message)).scalar_one_or_none()


def set_pause(connection: Connection, message: str | None) -> None:
    """Pause the study, or let it go on (None): who plays goes on, nobody joins or starts a step.

    Raises InputError if the message is longer than `MESSAGE_MAX`.
    """
    if message is not None and len(message) > MESSAGE_MAX:
        raise InputError(f"The message has {len(message):,} characters; shorten it to {MESSAGE_MAX:,} or fewer.")
    connection.execute(update(studies).values(pause_message=message))
