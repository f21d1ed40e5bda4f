"""Runs a study's server."""

import gc
import logging

import uvicorn

from videomem_hf.protocol.server.app import create_app, page_is_built, system_ms
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.study import Study
from videomem_hf.schema import InputError


def run_server(
    study: Study,
    database_url: str | None = None,
    *,
    host: str,
    port: int,
    hours_ahead: float = 0.0,
    preview: bool = False,
) -> None:
    """Serve a study until interrupted; requests in progress are finished. Neither addresses nor tokens are logged.

    The database is the study's own SQLite file by default; `hours_ahead` shifts the server's clock, to try step 2 on
    the same day; a `preview` shows the role of each clip. Raises InputError if the page is not built, or the database
    does not fit the study.
    """
    if not page_is_built():
        raise InputError(
            "The study's page is not built, it needs jsPsych from npm: install Node.js 18 or later and run "
            "`python -m videomem_hf.protocol.server.build`."
        )
    database = Database(database_url or study.database_url)
    app = create_app(study, database, lambda: system_ms() + int(hours_ahead * 3_600_000), preview=preview)
    gc.collect()
    gc.freeze()  # collecting these permanent objects again would delay requests by 0.1 s
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(app, host=host, port=port, access_log=False, server_header=False, log_level="warning")
    try:
        uvicorn.Server(config).run()
    finally:
        database.close()
