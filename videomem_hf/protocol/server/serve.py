"""Runs a study's server."""

import errno
import gc
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn

from videomem_hf.protocol.server.app import create_app, page_is_built, system_ms
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.study import Study
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

DEPLOY: Final = Path(__file__).with_name("deploy")
"""Ready configurations: nginx, Caddy, systemd, and a container."""


def run_server(
    study: Study,
    database_url: str | None = None,
    *,
    host: str,
    port: int,
    hours_ahead: float = 0.0,
    preview: bool = False,
    trusted_proxy: str = "127.0.0.1",
    announce: Callable[[], object] = lambda: None,
) -> None:
    """Serve a study until interrupted; requests in progress are finished. Neither addresses nor tokens are logged.

    The database is the study's own SQLite file by default; `hours_ahead` shifts the server's clock, to try step 2 on
    the same day; a `preview` shows the role of each clip. A `trusted_proxy` may say where requests come from; * is any.
    `announce` is called when the server can be reached.

    Raises InputError if the page is not built, the database cannot be opened or does not fit the study, or the port
    is in use.
    """
    if not page_is_built():
        raise InputError(
            "The study's page is not built, it needs jsPsych from npm: install Node.js 18 or later and run "
            "`python -m videomem_hf.protocol.server.build`."
        )
    listener = _listen(host, port)
    database = Database(database_url or study.database_url)
    app = create_app(study, database, lambda: system_ms() + int(hours_ahead * 3_600_000), preview=preview)
    gc.collect()
    gc.freeze()  # collecting these permanent objects again would delay requests by 0.1 s
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, access_log=False, server_header=False, log_level="warning", forwarded_allow_ips=trusted_proxy
    )
    announce()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        database.close()
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"Port {port} of {host} is in use; stop what uses it, or give another --port.") from None
        raise InputError(
            f"{host}:{port}: cannot be served ({os_cause(error)}); give another --host or --port."
        ) from None
