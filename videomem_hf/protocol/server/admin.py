"""The experimenter's pages, behind the study's secret: progress, tables, deletion."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from jinja2 import Environment, PackageLoader

from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.deletion import delete_participant
from videomem_hf.protocol.server.export import annotation_lines, participant_lines, practice_lines
from videomem_hf.protocol.server.game import Game, Refused
from videomem_hf.protocol.server.limits import RateLimit, client_address
from videomem_hf.protocol.server.pause import MESSAGE_MAX, pause_message, set_pause
from videomem_hf.protocol.server.report import study_report
from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.texts import load_texts
from videomem_hf.schema import InputError

_TRIES_PER_MINUTE: Final = 10
_TEMPLATES: Final = Environment(loader=PackageLoader("videomem_hf.protocol.server"), autoescape=True)


class AdminApi:
    """The requests of the experimenter: user name admin, the secret as the password."""

    def __init__(self, study: Study, database: Database, now_ms: Callable[[], int]) -> None:
        self.study, self.database, self.now_ms = study, database, now_ms
        self._game = Game(study.design, study.settings)
        self._texts = load_texts(study.folder, study.settings)[study.settings.languages[0]]
        self._tries = RateLimit(_TRIES_PER_MINUTE, 60)
        self.router = APIRouter(prefix="/admin", dependencies=[Depends(self._require_admin)])
        self.router.add_api_route("", self.page, methods=["GET"])
        self.router.add_api_route("/annotations.csv", self.annotations, methods=["GET"])
        self.router.add_api_route("/participants.csv", self.participants, methods=["GET"])
        self.router.add_api_route("/practice.csv", self.practice, methods=["GET"])
        self.router.add_api_route("/delete", self.delete, methods=["POST"])
        self.router.add_api_route("/pause", self.pause, methods=["POST"])

    def page(self) -> Response:
        with self.database.write() as connection:
            self._game.close_abandoned(connection, self.now_ms())
        with self.database.read() as connection:
            progress, message = study_report(connection), pause_message(connection)
        template = _TEMPLATES.get_template("admin.html.j2")
        title = self._texts["title"]
        unsuitable = {
            name.removeprefix("unsuitable_"): count
            for name, count in progress.visits.items()
            if name.startswith("unsuitable_") and count
        }
        return HTMLResponse(
            template.render(study=self.study, title=title, report=progress, message=message, unsuitable=unsuitable)
        )

    def annotations(self) -> Response:
        return self._table("annotations.csv", annotation_lines)

    def participants(self) -> Response:
        settings, key = self.study.settings, self.study.key
        return self._table("participants.csv", lambda connection: participant_lines(connection, settings, key))

    def practice(self) -> Response:
        return self._table("practice.csv", practice_lines)

    def delete(self, participant: Annotated[str, Body(embed=True, max_length=64)]) -> dict[str, int]:
        try:
            with self.database.write() as connection:
                return {"responses": delete_participant(connection, participant)}
        except InputError as error:
            raise Refused("unknown_code", str(error)) from None

    def pause(self, message: Annotated[str | None, Body(embed=True, max_length=MESSAGE_MAX)]) -> dict[str, bool]:
        """Pause the study with a message for participants, or let it go on (null)."""
        with self.database.write() as connection:
            set_pause(connection, message)
        return {"paused": message is not None}

    def _table(self, name: str, lines: Callable[[Any], Iterator[str]]) -> Response:
        def content() -> Iterator[str]:
            with self.database.read() as connection:
                yield from lines(connection)

        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(content(), media_type="text/csv; charset=utf-8", headers=headers)

    def _require_admin(
        self, request: Request, given: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))]
    ) -> None:
        if given is not None:
            if given.username == "admin" and self.study.is_admin(given.password):
                return
            self._tries.admit(client_address(request))
        raise Refused(
            "admin_only", "User name admin; the password is the secret that was shown when the study was created."
        )
