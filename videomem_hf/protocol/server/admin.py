"""The experimenter's pages, behind the study's secret: progress, tables, deletion."""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from jinja2 import Environment, PackageLoader
from pydantic import BaseModel, ConfigDict, Field

from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.deletion import delete_participant
from videomem_hf.protocol.server.export import annotation_lines, participant_lines
from videomem_hf.protocol.server.game import Game, Refused
from videomem_hf.protocol.server.limits import RateLimit
from videomem_hf.protocol.server.report import report
from videomem_hf.protocol.server.study import Study
from videomem_hf.schema import InputError

_TRIES_PER_MINUTE: Final = 10
_TEMPLATES: Final = Environment(loader=PackageLoader("videomem_hf.protocol.server"), autoescape=True)


class DeleteBody(BaseModel):
    """The participant to delete."""

    model_config = ConfigDict(extra="forbid")
    participant: str = Field(max_length=64)


class AdminApi:
    """The requests of the experimenter: user name admin, the secret as the password.

    Args:
        study: The study.
        database: Its database.
        now_ms: The server's clock.
    """

    def __init__(self, study: Study, database: Database, now_ms: Callable[[], int]) -> None:
        self.study, self.database, self.now_ms = study, database, now_ms
        self._game = Game(study.design, study.settings)
        self._tries = RateLimit(_TRIES_PER_MINUTE, 60)
        self.router = APIRouter(prefix="/admin")
        self.router.add_api_route("", self.page, methods=["GET"])
        self.router.add_api_route("/annotations.csv", self.annotations, methods=["GET"])
        self.router.add_api_route("/participants.csv", self.participants, methods=["GET"])
        self.router.add_api_route("/delete", self.delete, methods=["POST"])

    def page(self, request: Request) -> Response:
        """The progress page."""
        self._require_admin(request)
        with self.database.write() as connection:
            self._game.close_abandoned(connection, self.now_ms())
        with self.database.read() as connection:
            progress = report(connection)
        template = _TEMPLATES.get_template("admin.html.j2")
        return HTMLResponse(template.render(study=self.study, report=progress))

    def annotations(self, request: Request) -> Response:
        """The table of annotations."""
        self._require_admin(request)
        return self._table("annotations.csv", annotation_lines)

    def participants(self, request: Request) -> Response:
        """The table of participants."""
        self._require_admin(request)
        names = [question.name for question in self.study.settings.demographics]
        return self._table("participants.csv", lambda connection: participant_lines(connection, self.study.key, names))

    def delete(self, body: DeleteBody, request: Request) -> dict[str, int]:
        """Delete a participant."""
        self._require_admin(request)
        try:
            with self.database.write() as connection:
                return {"responses": delete_participant(connection, body.participant)}
        except InputError as error:
            raise Refused("unknown_code", str(error)) from None

    def _table(self, name: str, lines: Callable[[Any], Iterator[str]]) -> Response:
        def content() -> Iterator[str]:
            with self.database.read() as connection:
                yield from lines(connection)

        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(content(), media_type="text/csv; charset=utf-8", headers=headers)

    def _require_admin(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if self.study.is_admin(_password(given)):
            return
        if given:
            wait = self._tries.wait_s(request.client.host if request.client else "")
            if wait:
                raise Refused("too_many", "Too many attempts; wait a little.", wait_ms=int(wait * 1000) + 1)
        raise Refused(
            "admin_only", "User name admin; the password is the secret that was shown when the study was created."
        )


def _password(header: str) -> str:
    """The password of HTTP Basic authentication; empty if there is none."""
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if scheme.lower() == "basic" and user == "admin" else ""
