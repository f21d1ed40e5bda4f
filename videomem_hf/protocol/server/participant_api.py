"""The API of the participants' page. The token is in a cookie that scripts cannot read."""

import hmac
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Body, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from videomem_hf.protocol.server import game
from videomem_hf.protocol.server.clips import MEDIA_TYPES, pad_clip
from videomem_hf.protocol.server.completion import completion_of, withdrawn_completion
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.limits import RateLimit, client_address
from videomem_hf.protocol.server.pause import pause_message
from videomem_hf.protocol.server.practice import ROUNDS_MAX, practice_order, store_practice
from videomem_hf.protocol.server.preview import ROLE_HEADER, describe_showing
from videomem_hf.protocol.server.recruiting import Platform, StoredId, admission, recognise, stored_id
from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.tokens import clip_proof, hash_secret, normalise_code, return_code
from videomem_hf.protocol.server.visits import Choice, StepPage, note_page, withdraw

COOKIE: Final = "participant"
PROOF_HEADER: Final = "x-clip-proof"

Step = Annotated[int, InPath(ge=1, le=2)]
Position = Annotated[int, InPath(ge=1, le=100_000)]
Page = Annotated[str, Field(min_length=16, max_length=64)]
Text = Annotated[str, Field(max_length=200)]
PlatformId = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class JoinBody(_Body):
    """A newcomer: recruiting platform, demographic questions, browser. `consent` must be true."""

    consent: Literal[True]
    platform: Platform | None = None
    platform_id: PlatformId | None = None
    demographics: Annotated[dict[Text, Text], Field(max_length=50)] = {}
    browser: Annotated[dict[Text, Text | float | bool | None], Field(max_length=30)] = {}
    language: Annotated[str, Field(max_length=35)] | None = None


class ArriveBody(_Body):
    """Someone who comes from a recruiting platform."""

    platform: Platform
    platform_id: PlatformId


class StartBody(_Body):
    """A page that plays a step; `page` is a random name that it chose. The others: see `game.Visit`."""

    page: Page
    study_id: PlatformId | None = None
    session_id: PlatformId | None = None


class PlaybackBody(_Body):
    """See `game.Playback`."""

    hidden_ms: Count | None = None
    stalled_ms: Count | None = None
    frames: Count | None = None
    frames_dropped: Count | None = None
    window_width: Count | None = None
    window_height: Count | None = None


class ResponseBody(_Body):
    """The response to a showing (see `game.KeyResponse`).

    `page` is a random name that the page chose; `proof` came with the clip, empty if the clip could not be loaded.
    """

    page: Page
    rt_ms: float | None
    age_ms: Annotated[float, Field(ge=0, le=1e9)]
    note: Literal["interrupted", "unplayable", "hidden", "stalled", "ended_early"] | None = None
    playback: PlaybackBody = PlaybackBody()
    proof: Annotated[str, Field(max_length=64)] = ""


class PracticeBody(_Body):
    """The response to a showing of the practice; `round` counts how often it was started, from 1."""

    round: Annotated[int, Field(ge=1, le=ROUNDS_MAX)]
    position: Annotated[int, Field(ge=1, le=1000)]
    rt_ms: Annotated[float, Field(ge=0, le=1e6)] | None
    note: Literal["unplayable", "hidden", "stalled", "ended_early"] | None = None


class ParticipantApi:
    """The requests of participants; `clips` gives the file of each video by its number in the database.

    A `preview` tells the role of each showing.
    """

    def __init__(
        self, study: Study, database: Database, clips: dict[int, Path], now_ms: Callable[[], int], preview: bool = False
    ) -> None:
        self._preview = preview
        self.study, self.database, self.clips, self.now_ms = study, database, clips, now_ms
        self.game = game.Game(study.design, study.settings)
        self._joins = RateLimit(study.settings.joins_per_minute, 60)
        self._requests = RateLimit(study.settings.requests_per_second * 5, 5)
        self.router = APIRouter()
        add = self.router.add_api_route
        add("/api/me", self.me, methods=["GET"])
        add("/api/participants", self.join, methods=["POST"])
        add("/api/arrive", self.arrive, methods=["POST"])
        add("/api/return", self.come_back, methods=["POST"])
        add("/api/steps/{step}/begin", self.start, methods=["POST"])
        add("/api/steps/{step}/clips/{position}", self.clip, methods=["GET"])
        add("/api/steps/{step}/showings/{position}", self.respond, methods=["PUT"])
        add("/api/steps/{step}/practice", self.practise, methods=["PUT"])
        add("/api/steps/{step}/page", self.page, methods=["PUT"])
        add("/api/withdraw", self.withdraw, methods=["POST"])

    async def join(self, body: JoinBody, request: Request, response: Response) -> dict[str, Any]:
        """Add a newcomer, unless they joined in another tab of the browser, and set the cookie."""
        self._joins.admit(client_address(request))
        stored = self._stored_id(body.platform, body.platform_id) or StoredId(None, None)
        answers = self._demographics(body)
        language = body.language if body.language in self.study.settings.languages else None
        mine = request.cookies.get(COOKIE, "")
        newcomer = game.Newcomer(body.platform, stored.known, stored.sealed, answers, dict(body.browser), language)

        def enter(connection: Connection) -> str:
            if game.has_joined(connection, mine, stored.known):
                return mine
            if (met := admission(connection, self.study.settings, self.study.design, self.now_ms())) != "new":
                raise game.Refused(met, "This study does not admit participants now.")
            return game.join(connection, newcomer, self.now_ms())

        try:
            token = await self.database.write_async(enter)
        except IntegrityError:
            raise game.Refused("took_part", "You have already taken part in this study.") from None
        self._set_cookie(request, response, token)
        return {"stage": "ready", "step": 1}

    async def arrive(self, body: ArriveBody, request: Request, response: Response) -> dict[str, Any]:
        """Recognise someone by their id at a recruiting platform, in whatever browser; a stranger loses the cookie."""
        self._joins.admit(client_address(request))
        stored = stored_id(self.study.settings, self.study.key, body.platform, body.platform_id)
        token = await self.database.write_async(lambda connection: recognise(connection, stored.known))
        if token is None:
            response.delete_cookie(COOKIE)
            return await self._newcomer()
        self._set_cookie(request, response, token)
        return await self._stage(token)

    async def come_back(
        self, code: Annotated[Text, Body(embed=True)], request: Request, response: Response
    ) -> dict[str, Any]:
        """Admit a participant by return code and set the cookie."""
        self._joins.admit(client_address(request))
        token = await self.database.write_async(lambda connection: game.come_back(connection, normalise_code(code)))
        self._set_cookie(request, response, token)
        return await self._stage(token)

    async def me(self, request: Request, response: Response) -> dict[str, Any]:
        """The participant's stage in the study."""
        token = request.cookies.get(COOKIE)
        if token is None:
            return await self._newcomer()
        self._requests.admit(hash_secret(token))
        try:
            return await self._stage(token)
        except game.Refused:
            response.delete_cookie(COOKIE)
            return await self._newcomer()

    async def start(self, step: Step, body: StartBody, request: Request) -> dict[str, Any]:
        """Start or resume a step."""
        token, visit = self._token(request), game.Visit(body.study_id, body.session_id)
        position = await self.database.write_async(
            lambda connection: self.game.start(connection, token, step, body.page, self.now_ms(), visit)
        )
        return {"next": position, "showings": self.game.showings[step]}

    async def clip(self, step: Step, position: Position, request: Request) -> Response:
        """The clip of one of the next showings. Neither address, size nor headers reveal which clip it is."""
        token = self._token(request)
        video = await self.database.read_async(
            lambda connection: self.game.clip(connection, token, step, position, self.now_ms())
        )
        file = self.clips[video]
        content = await to_thread.run_sync(file.read_bytes)
        headers = {PROOF_HEADER: clip_proof(self.study.key, token, step, position)}
        if self._preview:
            headers[ROLE_HEADER] = await self.database.read_async(
                lambda connection: describe_showing(connection, token, step, position)
            )
        return Response(pad_clip(content, file.suffix), media_type=MEDIA_TYPES[file.suffix.lower()], headers=headers)

    async def respond(self, step: Step, position: Position, body: ResponseBody, request: Request) -> dict[str, int]:
        """Store the response to a showing; one to a clip that was never loaded is refused."""
        token = self._token(request)
        proof = clip_proof(self.study.key, token, step, position)
        if body.note not in {"interrupted", "unplayable"} and not hmac.compare_digest(body.proof, proof):
            raise game.Refused("impossible", "A clip that was not loaded cannot be responded to.")
        playback = game.Playback(**body.playback.model_dump())
        response = game.KeyResponse(body.rt_ms, body.age_ms, body.note, playback)
        following = await self.database.write_async(
            lambda connection: self.game.respond(connection, token, step, position, body.page, response, self.now_ms())
        )
        return {"next": following}

    async def practise(self, step: Step, body: PracticeBody, request: Request) -> dict[str, bool]:
        """Store a response of the practice; the reply says whether the clip was a repeat."""
        token, order = self._token(request), practice_order(self.study.design.practice, step)
        if body.position > len(order):
            raise game.Refused("impossible", "The practice has no such showing.")
        showing = order[body.position - 1]
        values = body.model_dump() | {"step": step, "received_ms": self.now_ms()}

        def store(connection: Connection) -> None:
            person = game.participant_of(connection, token)
            if person.withdrawn is None:
                store_practice(connection, person.id, showing, values)

        await self.database.write_async(store)
        return {"repeat": showing.repeat}

    async def page(self, step: Step, name: Annotated[StepPage, Body(embed=True)], request: Request) -> dict[str, str]:
        """Note which page the participant has opened."""
        token = self._token(request)
        await self.database.write_async(
            lambda connection: note_page(connection, game.participant_of(connection, token), step, name)
        )
        return {"page": name}

    async def withdraw(self, data: Annotated[Choice, Body(embed=True)], request: Request) -> dict[str, Any]:
        """Take the participant out of the study; see `visits.withdraw`."""
        token = self._token(request)
        await self.database.write_async(
            lambda connection: withdraw(
                connection, game.participant_of(connection, token, lock=True), data, self.now_ms()
            )
        )
        return await self._stage(token)

    async def _newcomer(self) -> dict[str, Any]:
        settings, design, now = self.study.settings, self.study.design, self.now_ms()

        def met(connection: Connection) -> dict[str, Any]:
            return {"stage": admission(connection, settings, design, now)} | _message(connection)

        found = await self.database.read_async(met)
        if found["stage"] == "full":  # perhaps not without those who left
            await self.database.write_async(lambda connection: self.game.close_abandoned(connection, now))
            found = await self.database.read_async(met)
        return found

    async def _stage(self, token: str) -> dict[str, Any]:
        now = self.now_ms()

        def progress(connection: Connection) -> tuple[Row[Any], dict[int, Row[Any]], dict[str, Any]]:
            participant = game.participant_of(connection, token)
            return participant, game.steps_of(connection, participant.id), _message(connection)

        def close(connection: Connection) -> dict[int, Row[Any]]:
            self.game.close_abandoned(connection, now)
            return game.steps_of(connection, participant.id)

        participant, started, message = await self.database.read_async(progress)
        if participant.withdrawn is not None:
            completion = withdrawn_completion(self.study.settings, self.study.key, participant)
            completed = [{"step": None, **asdict(completion)}] if completion.code else []
            known = {"participant": participant.name, "data": participant.withdrawn}
            return {"stage": "withdrawn", **known, "completed": completed}
        pause_max_ms = self.study.settings.pause_max_ms
        if any(row.state == "playing" and now - row.active_ms > pause_max_ms for row in started.values()):
            started = await self.database.write_async(close)
        stage: dict[str, Any] = {
            "participant": participant.name,
            "language": participant.language,
            "completed": self._completion(participant, started),
        } | message
        for step in (2, 1):
            if step in started and started[step].state == "playing":
                return stage | {"stage": "playing", "step": step, "next": started[step].next_position}
            if step in started and started[step].state in {"abandoned", "technical"}:
                return stage | {"stage": "closed" if started[step].state == "abandoned" else "technical", "step": step}
        if not started:
            return stage | {"stage": "paused" if message else "ready", "step": 1}
        if 2 in started or not started[1].passed:
            return stage | {"stage": "finished"}
        opens, closes = self.game.return_window_ms(started[1])
        times = {"opens_ms": opens, "closes_ms": closes, "now_ms": now}
        if now > closes:
            return stage | {"stage": "late"} | times
        if now >= opens:
            return stage | {"stage": "paused" if message else "ready", "step": 2} | times
        code = return_code(token)
        shown = code if participant.return_hash == hash_secret(code) else None
        return stage | {"stage": "waiting", "return_code": shown} | times

    def _completion(self, participant: Row[Any], started: dict[int, Row[Any]]) -> list[dict[str, Any]]:
        """The completion code of the last step alone, with the address that submits it; empty where there is none."""
        if not started:
            return []
        step = max(started)
        completion = completion_of(self.study.settings, self.study.key, participant, started[step])
        return [{"step": step, **asdict(completion)}] if completion.code else []

    def _stored_id(self, platform: str | None, identity: str | None) -> StoredId | None:
        if platform is None or identity is None:
            return None
        return stored_id(self.study.settings, self.study.key, platform, identity)

    def _demographics(self, body: JoinBody) -> dict[str, str]:
        """The answers to the demographic questions; an unknown question or choice is refused."""
        asked = {question.name: question.choices for question in self.study.settings.demographics}
        for name, given in body.demographics.items():
            if name not in asked or (asked[name] and given not in asked[name]):
                raise game.Refused("impossible", "An answer to an unknown question, or not one of its choices.")
        return dict(body.demographics)

    def _token(self, request: Request) -> str:
        token = request.cookies.get(COOKIE)
        if token is None:
            raise game.Refused("unknown", game.UNKNOWN)
        self._requests.admit(hash_secret(token))
        return token

    def _set_cookie(self, request: Request, response: Response, token: str) -> None:
        seconds = int((self.study.design.step2.delay_max_h + 7 * 24) * 3600)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, max_age=seconds, httponly=True, samesite="strict", secure=secure)


def _message(connection: Connection) -> dict[str, Any]:
    """What participants read while the study is paused; empty while it is not."""
    message = pause_message(connection)
    return {} if message is None else {"message": message}
