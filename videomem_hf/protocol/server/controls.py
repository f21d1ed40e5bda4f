"""Whether a participant passes the controls of a step: the same screening that scoring applies."""

import numpy as np
from sqlalchemy import Connection, select

from videomem_hf.protocol.annotations import Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.protocol.screening import screen
from videomem_hf.protocol.server.database import showings


def passes(connection: Connection, design: StudyDesign, participant_id: int, step: int) -> bool:
    """Whether the responses of a completed step pass the design's controls (Sec. 3.2)."""
    return bool(screen(_annotations(connection, participant_id), design).steps()[step - 1].passed[0])


def _annotations(connection: Connection, participant_id: int) -> Annotations:
    """A participant's responses so far; videos are named by their ids."""
    own = showings.c
    query = (
        select(own.step, own.position, own.video_id, own.role, own.repeat, own.pressed, own.rt_ms, own.shown_ms)
        .where(own.participant_id == participant_id, own.pressed.is_not(None))
        .order_by(own.step, own.position)
    )
    step, position, video, role, repeat, pressed, rt_ms, shown_ms = zip(*connection.execute(query).all(), strict=True)
    names, number = np.unique(video, return_inverse=True)
    return Annotations(
        participants=(str(participant_id),),
        videos=tuple(str(name) for name in names),
        participant=np.zeros(len(step), dtype=np.int32),
        step=np.array(step, dtype=np.int8),
        position=np.array(position, dtype=np.int32),
        video=number.astype(np.int32),
        role=np.array([ROLES.index(name) for name in role], dtype=np.int8),
        repeat=np.array(repeat, dtype=bool),
        pressed=np.array(pressed, dtype=bool),
        rt_ms=np.array(rt_ms, dtype=np.float32),
        time=np.array(shown_ms, dtype="datetime64[ms]"),
    )
