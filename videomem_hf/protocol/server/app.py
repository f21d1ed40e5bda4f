"""The web application of a study: the participants' page with its API, and the experimenter's pages."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import OperationalError

from videomem_hf.protocol.design import build_design
from videomem_hf.protocol.server.admin import AdminApi
from videomem_hf.protocol.server.database import Database, assignments, participants, studies, videos
from videomem_hf.protocol.server.game import Refused
from videomem_hf.protocol.server.page_api import PageApi
from videomem_hf.protocol.server.participant_api import ParticipantApi
from videomem_hf.protocol.server.shield import Shield
from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.visits import prepare_counts
from videomem_hf.schema import InputError

STATIC: Final = Path(__file__).with_name("static")

_STATUS: Final = {
    "unknown": 401,
    "unknown_code": 404,
    "not_started": 404,
    "impossible": 422,
    "too_early": 425,
    "too_many": 429,
    "admin_only": 401,
}


def system_ms() -> int:
    """Milliseconds since 1970 by the system clock."""
    return time.time_ns() // 1_000_000


def create_app(
    study: Study, database: Database, now_ms: Callable[[], int] = system_ms, preview: bool = False
) -> FastAPI:
    """Make the application of a study; a new database gets the study's videos.

    All that depends on time goes by `now_ms`, the server's clock in milliseconds since 1970. A `preview` reveals
    roles. Raises InputError if the database belongs to another design or other videos.
    """
    with database.write() as connection:
        clips = enter_study(connection, study)
    pages = PageApi(study, database, now_ms)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(ParticipantApi(study, database, clips, now_ms, preview).router)
    app.include_router(AdminApi(study, database, now_ms).router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(Refused, _refusal_response)
    app.add_exception_handler(RequestValidationError, _invalid_response)
    app.add_exception_handler(OperationalError, _busy_response)
    app.add_middleware(Shield)
    return app


def enter_study(connection: Connection, study: Study) -> dict[int, Path]:
    """Store design and videos in a new database, or check them; returns each video's file by its number there.

    The design can be changed until the first participant joins; clips can be added at any time, but not removed.
    """
    design = asdict(study.design)
    row = connection.execute(select(studies)).first()
    if row is None:
        connection.execute(insert(studies).values(id=1, design=design))
    elif build_design(row.design, "the design in the database") != study.design:
        if connection.execute(select(participants.c.id).limit(1)).first():
            raise InputError(
                f"{study.folder / 'design.yaml'} is not the design of the responses in the database; "
                "undo the change, or create another study."
            )
        connection.execute(studies.update().values(design=design))
        connection.execute(delete(assignments))  # of participants who were deleted, by the former design
    prepare_counts(connection)
    known = {entry.name: entry.id for entry in connection.execute(select(videos.c.id, videos.c.name))}
    if gone := [name for name in known if name not in study.clips]:
        raise InputError(f"{study.folder / 'clips'}: {gone[0]} is missing ({len(gone)} in all); put it back.")
    if new := [{"name": name, "short_count": 0, "long_count": 0} for name in study.clips if name not in known]:
        connection.execute(insert(videos), new)
    return {entry.id: study.clips[entry.name] for entry in connection.execute(select(videos.c.id, videos.c.name))}


def page_is_built() -> bool:
    """Whether the page's JavaScript libraries are there (see `build`)."""
    return (STATIC / "vendor" / "jspsych.js").is_file()


async def _refusal_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers: dict[str, str] = {}
    if error.code == "too_many":
        headers["retry-after"] = str(int(error.details["wait_ms"]) // 1000 + 1)
    if error.code == "admin_only":
        headers["www-authenticate"] = 'Basic realm="study", charset="UTF-8"'
    content: dict[str, Any] = {"error": error.code, "message": error.message, **error.details}
    return JSONResponse(content, _STATUS.get(error.code, 409), headers)


async def _invalid_response(_: Request, error: Exception) -> Response:
    """Report where a request is invalid, without repeating its content."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": "invalid", "message": f"{where}: {first['msg']}"}, 422)


async def _busy_response(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "busy", "message": "The database cannot be reached; try again."}, 503)
