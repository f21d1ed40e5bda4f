"""The rules of the served game: who plays which step, which responses are stored, and what the clock allows.

Nothing here knows about HTTP, and nothing sent to a browser depends on a showing's role.

**Timing.** A page reports how long after the start of a clip the key was pressed (`rt_ms`) and how long ago the showing
ended (`age_ms`, more than a moment after a lost connection). The server computes by its own clock when the showing
started: never before the previous showing had ended and the gap had passed, and never before the clip was handed out. A
response that would then lie in the future is refused until its time has come. The first response after the clock was
set back is accepted, so that nobody waits for the old time.

**Missing responses.** A showing that was cut short by a reload, or whose clip could not be played, stood still, ended
early or was hidden, is over, and the participant continues with the next. Its response is missing, with the reason:
it is neither a hit nor a miss. Too many reloads, or too long a pause, close the step as abandoned. Too many technical
failures close it as technical: the participant is paid and not scored.
"""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from videomem_hf.protocol.annotations import MISSING_REASONS, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.protocol.screening import screen
from videomem_hf.protocol.server.assignment import assign, release_targets
from videomem_hf.protocol.server.database import participants, showings, steps
from videomem_hf.protocol.server.pause import pause_message
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.tokens import hash_secret, new_token, return_code
from videomem_hf.protocol.time_checks import RT_MIN_MS

Note = Literal["interrupted", "unplayable", "hidden", "stalled", "ended_early", "paused"]

_CUT: Final = frozenset({"interrupted", "unplayable", "ended_early"})
_FAILED: Final = frozenset({"unplayable", "stalled", "ended_early"})
"""Failures of the participant's equipment or connection, for which nobody is to blame."""
_HOUR_MS: Final = 3_600_000
_TOLERANCE_MS: Final = 250
_PAUSED_MS: Final = 10_000
"""A showing after a longer unexplained delay is marked as paused."""

# The statements of a response and a clip, built once: building one takes longer than running it.
_STEP: Final = (
    select(steps)
    .join(participants, participants.c.id == steps.c.participant_id)
    .where(participants.c.token_hash == bindparam("token"), steps.c.step == bindparam("of_step"))
)
_STEP_LOCKED: Final = _STEP.with_for_update(of=steps)
_SHOWING: Final = (
    showings.c.participant_id == bindparam("of_participant"),
    showings.c.step == bindparam("of_step"),
    showings.c.position == bindparam("of_position"),
)
_VIDEO: Final = select(showings.c.video_id).where(*_SHOWING)
_RECEIVED: Final = select(showings.c.received_ms).where(*_SHOWING)
_STORE: Final = update(showings).where(*_SHOWING)
_UPDATE_STEP: Final = update(steps).where(
    steps.c.participant_id == bindparam("of_participant"), steps.c.step == bindparam("of_step")
)
UNKNOWN: Final = "The participant of this browser is not known."


class Refused(Exception):  # noqa: N818
    """A request that is refused: a `code` for the page, a `message` for a person, and `details` such as `next`."""

    def __init__(self, code: str, message: str, **details: int | str) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


@dataclass(frozen=True)
class Playback:
    """How a clip played, as the page measured it; None where the browser does not tell.

    Attributes:
        hidden_ms: Milliseconds during which the window was not visible.
        stalled_ms: Milliseconds during which the clip stood still before its end.
        frames, frames_dropped: Frames that the browser decoded, and those of them that it left out.
        window_width, window_height: Inner size of the window in CSS pixels.
    """

    hidden_ms: int | None = None
    stalled_ms: int | None = None
    frames: int | None = None
    frames_dropped: int | None = None
    window_width: int | None = None
    window_height: int | None = None


@dataclass(frozen=True)
class KeyResponse:
    """What a page reports of a showing: what went wrong, if anything, and two times in milliseconds.

    `rt_ms` is from the start of the clip to the press, None without one; `age_ms` since the showing ended.
    """

    rt_ms: float | None
    age_ms: float
    note: Note | None = None
    playback: Playback = field(default_factory=Playback)


@dataclass(frozen=True)
class Newcomer:
    """A participant who joins; `platform_id` and `platform_sealed` as they are stored."""

    platform: str | None
    platform_id: str | None
    platform_sealed: str | None
    demographics: dict[str, str]
    browser: dict[str, Any]
    language: str | None = None


@dataclass(frozen=True)
class Visit:
    """The recruiting platform's study and session, such as Prolific's STUDY_ID and SESSION_ID; None without one."""

    study_id: str | None = None
    session_id: str | None = None


def join(connection: Connection, newcomer: Newcomer, now: int) -> str:
    """Add a participant; returns their token, of which only a hash is stored.

    Raises Refused, `took_part`, if someone with this platform id already did.
    """
    if newcomer.platform_id is not None:
        same = select(participants.c.id).where(participants.c.platform_id == newcomer.platform_id)
        if connection.execute(same).first():
            raise Refused("took_part", "You have already taken part in this study. Everyone can take part once.")
    token = new_token()
    own = {"name": f"p{secrets.token_hex(5)}", "token_hash": hash_secret(token), "joined_ms": now}
    connection.execute(insert(participants).values(own | asdict(newcomer)))
    return token


def has_joined(connection: Connection, token: str, platform_id: str | None) -> bool:
    """Whether a participant with this token and stored platform id takes part."""
    owner = select(participants.c.platform_id).where(participants.c.token_hash == hash_secret(token))
    row = connection.execute(owner.where(participants.c.withdrawn.is_(None))).first()
    return row is not None and row.platform_id == platform_id


def come_back(connection: Connection, code: str) -> str:
    """Exchange a return code, which remains valid, for a new token. Raises Refused, `unknown_code`."""
    token = new_token()
    holder = update(participants).where(participants.c.return_hash == hash_secret(code))
    if connection.execute(holder.values(token_hash=hash_secret(token))).rowcount != 1:
        raise Refused("unknown_code", "This code is not known. Please check every letter.")
    return token


def participant_of(connection: Connection, token: str, lock: bool = False) -> Row[Any]:
    """The participant with a token, locked until the end of the transaction if wanted. Raises Refused, `unknown`."""
    query = select(participants).where(participants.c.token_hash == hash_secret(token))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise Refused("unknown", UNKNOWN)
    return row


def steps_of(connection: Connection, participant_id: int) -> dict[int, Row[Any]]:
    """The steps that a participant has started, keyed by number."""
    rows = connection.execute(select(steps).where(steps.c.participant_id == participant_id)).all()
    return {row.step: row for row in rows}


def missing_reason(note: str | None) -> str:
    """Why the response of a showing with this note is missing; empty if it counts."""
    return note if note in MISSING_REASONS and note else ""


class Game:
    """The rules of a study with this design and these settings."""

    def __init__(self, design: StudyDesign, settings: StudySettings) -> None:
        self.design, self.settings = design, settings
        self.window_ms, self.gap_ms = design.presentation.window_s * 1000, design.presentation.gap_s * 1000
        self.showings = {1: design.step1.showings, 2: design.step2.showings}

    def return_window_ms(self, step1: Row[Any]) -> tuple[int, int]:
        """When step 2 opens and closes after this step 1.

        It closes one longest pause before the end of the design's interval, so that whoever is admitted sees the first
        clip within it: screening measures the delay between showings.
        """
        low, high = self.design.step2.delay_min_h, self.design.step2.delay_max_h
        opens = step1.closed_ms + int(low * _HOUR_MS)
        return opens, max(opens, step1.closed_ms + int(high * _HOUR_MS) - self.settings.pause_max_ms)

    def start(
        self, connection: Connection, token: str, step: int, page: str, now: int, visit: Visit | None = None
    ) -> int:
        """Start or resume a step, which from now on only this page plays; returns the position of the next showing.

        `visit` is what the recruiting platform calls it. Raises Refused: `paused`, `too_soon`, `too_late`,
        `not_invited`, or `over`.
        """
        participant = participant_of(connection, token, lock=True)
        if participant.withdrawn is not None:
            raise Refused("over", "You have withdrawn from the study.")
        started = steps_of(connection, participant.id)
        if step in started:
            self._require_open(started[step], now)
            _update_step(connection, started[step], page_hash=hash_secret(page))
            return int(started[step].next_position)
        if (message := pause_message(connection)) is not None:
            raise Refused("paused", message)
        if step == 2:
            self._require_invitation(started.get(1), now)
        self.close_abandoned(connection, now)
        connection.execute(
            insert(steps).values(
                participant_id=participant.id,
                step=step,
                state="playing",
                seed=assign(connection, self.design, participant.id, step),
                page_hash=hash_secret(page),
                next_position=1,
                interruptions=0,
                failures=0,
                **asdict(visit or Visit()),
                started_ms=now,
                active_ms=now,
                free_ms=now - int(self.gap_ms),
            )
        )
        return 1

    def clip(self, connection: Connection, token: str, step: int, position: int, now: int) -> int:
        """The video at a position. Raises Refused: `over`, or `not_yet` if it is not among the next showings."""
        row = self._step(connection, token, step)
        self._require_open(row, now)
        if not row.next_position <= position <= min(row.next_position + self.settings.clips_ahead, self.showings[step]):
            raise Refused("not_yet", "This clip cannot be loaded yet.", next=row.next_position)
        return int(connection.execute(_VIDEO, _showing_key(row.participant_id, step, position)).scalar_one())

    def respond(
        self, connection: Connection, token: str, step: int, position: int, page: str, response: KeyResponse, now: int
    ) -> int:
        """Store a response; sending it again changes nothing, so that a page can retry until it is confirmed.

        Returns the position of the next showing, one beyond the last when the step is over. Raises Refused:
        `out_of_turn`, `elsewhere`, `over`, `impossible`, or `too_early` with `wait_ms`.
        """
        row = self._step(connection, token, step, lock=True)
        if row.page_hash != hash_secret(page):
            raise Refused("elsewhere", "The game continues in another window. You can close this one.")
        if position < row.next_position:
            return int(row.next_position)
        self._require_open(row, now)
        if position != row.next_position:
            raise Refused("out_of_turn", "This clip has not been shown yet.", next=row.next_position)
        start, duration = self._timing(connection, row, response, now)
        note = response.note or ("paused" if start - row.free_ms - self.gap_ms > _PAUSED_MS else None)
        showing = _showing_key(row.participant_id, step, position)
        stored = {"pressed": response.rt_ms is not None, "rt_ms": response.rt_ms, "note": note}
        stored |= {"shown_ms": start, "received_ms": now} | asdict(response.playback)
        connection.execute(_STORE, showing | stored)
        interruptions = row.interruptions + (response.note == "interrupted")
        failures = row.failures + (response.note in _FAILED)
        progress = {"next_position": position + 1, "interruptions": interruptions, "failures": failures}
        _update_step(connection, row, **progress, free_ms=start + duration, active_ms=now)
        if interruptions > self.settings.interruptions_max:
            self._close_early(connection, row, "abandoned", now)
        elif failures > self.design.controls.missing_max * self.showings[step]:
            self._close_early(connection, row, "technical", now)
        elif position == self.showings[step]:
            self._complete(connection, row, token, now)
        return position + 1

    def close_abandoned(self, connection: Connection, now: int) -> int:
        """Close the steps whose pause is too long and release their targets; returns how many there were."""
        late = (steps.c.state == "playing", steps.c.active_ms < now - self.settings.pause_max_ms)
        query = select(steps.c.participant_id, steps.c.step).where(*late).with_for_update(skip_locked=True)
        rows = connection.execute(query).all()
        return sum(self._close_early(connection, row, "abandoned", now) for row in rows)

    def _close_early(
        self, connection: Connection, row: Row[Any, Any] | Row[Any], state: Literal["abandoned", "technical"], now: int
    ) -> bool:
        """Close a step that is being played; False if it was closed meanwhile."""
        mine = (steps.c.participant_id == row.participant_id, steps.c.step == row.step, steps.c.state == "playing")
        closed = connection.execute(update(steps).where(*mine).values(state=state, passed=False, closed_ms=now))
        if closed.rowcount != 1:
            return False
        release_targets(connection, row.participant_id, row.step)
        return True

    def _complete(self, connection: Connection, row: Row[Any], token: str, now: int) -> None:
        """Close a step after its last showing; participants who passed step 1 are invited to step 2."""
        screening = screen(_responses(connection, row.participant_id), self.design)
        passed = bool(screening.steps()[row.step - 1].passed[0])
        _update_step(connection, row, state="completed", passed=passed, closed_ms=now)
        release_targets(connection, row.participant_id, row.step, "missing" if passed else "all")
        if passed and row.step == 1:
            who = participants.c.id == row.participant_id
            connection.execute(update(participants).where(who).values(return_hash=hash_secret(return_code(token))))

    def _timing(self, connection: Connection, row: Row[Any], response: KeyResponse, now: int) -> tuple[int, int]:
        """When a showing started and how long it lasted, in ms by the server's clock."""
        if response.rt_ms is not None and not RT_MIN_MS <= response.rt_ms <= self.window_ms:
            raise Refused(
                "impossible", f"A press counts from {RT_MIN_MS:g} to {self.window_ms:g} ms after the start of a clip."
            )
        cut = response.note in _CUT
        if cut and response.rt_ms is not None:
            raise Refused("impossible", "A showing that was cut short has no press.")
        duration = int(response.rt_ms if response.rt_ms is not None else 0 if cut else self.window_ms)
        given = row.started_ms
        if row.next_position > self.settings.clips_ahead + 1:
            enabling = _showing_key(row.participant_id, row.step, row.next_position - self.settings.clips_ahead - 1)
            given = connection.execute(_RECEIVED, enabling).scalar_one()
        earliest = max(row.free_ms + int(self.gap_ms), min(given, row.active_ms))
        if row.active_ms > now + _TOLERANCE_MS:  # the clock was set back since the last response
            earliest = now - duration
        start = max(now - int(min(response.age_ms, now)) - duration, earliest)
        wait = start + duration - now - _TOLERANCE_MS
        if wait > 0:
            raise Refused("too_early", "This response came before the clip can have been shown.", wait_ms=wait)
        return start, duration

    def _step(self, connection: Connection, token: str, step: int, lock: bool = False) -> Row[Any]:
        query = _STEP_LOCKED if lock else _STEP
        row = connection.execute(query, {"token": hash_secret(token), "of_step": step}).first()
        if row is None:
            participant_of(connection, token)
            raise Refused("not_started", "This part has not started.")
        return row

    def _require_open(self, row: Row[Any], now: int) -> None:
        if row.state != "playing":
            raise Refused("over", "This part is over.")
        if now - row.active_ms > self.settings.pause_max_ms:
            raise Refused(
                "over", f"The pause was longer than {self.settings.pause_max_min:g} minutes, so this part is over."
            )

    def _require_invitation(self, step1: Row[Any] | None, now: int) -> None:
        if step1 is None or step1.state != "completed" or not step1.passed:
            raise Refused("not_invited", "The second part is for participants who completed the first.")
        opens, closes = self.return_window_ms(step1)
        if now < opens:
            raise Refused("too_soon", "The second part is not open yet.", opens_ms=opens)
        if now > closes:
            raise Refused("too_late", "The second part is closed. Thank you for taking part in the first.")


def _update_step(connection: Connection, row: Row[Any], **values: Any) -> None:
    connection.execute(_UPDATE_STEP, {"of_participant": row.participant_id, "of_step": row.step} | values)


def _showing_key(participant_id: int, step: int, position: int) -> dict[str, Any]:
    return {"of_participant": participant_id, "of_step": step, "of_position": position}


def _responses(connection: Connection, participant_id: int) -> Annotations:
    """A participant's responses so far; videos are named by their ids."""
    own = showings.c
    query = (
        select(own.step, own.position, own.video_id, own.role, own.repeat, own.pressed, own.rt_ms, own.shown_ms)
        .add_columns(own.note)
        .where(own.participant_id == participant_id, own.pressed.is_not(None))
        .order_by(own.step, own.position)
    )
    step, position, video, role, repeat, pressed, rt_ms, shown_ms, note = zip(
        *connection.execute(query).all(), strict=True
    )
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
        missing=np.array([MISSING_REASONS.index(missing_reason(text)) for text in note], dtype=np.int8),
    )
