"""Moves the log of an SQLite database into it beside the requests: a commit that did it would take far longer."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

PERIOD_S: Final = 10.0
_LOG_PAGES_MAX: Final = 50_000
"""Pages of the log (200 MB) from which on a commit moves it nevertheless."""

ON_CONNECT: Final = f"wal_autocheckpoint={_LOG_PAGES_MAX}"
"""The pragma of the connections that are to leave the log alone."""


class Checkpoints:
    """A thread that moves the log of a database in WAL mode, from time to time if anything was written.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """Note that there is something in the log."""
        self._written.set()

    def close(self) -> None:
        """End the thread; SQLite itself moves the rest when the last connection is closed."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(PERIOD_S):
            if self._written.is_set():
                self._written.clear()
                self._move()

    def _move(self) -> None:
        """Move what no reader needs any more, without making anyone wait."""
        address = f"{self._path.resolve().as_uri()}?mode=rw"  # a file that is gone is not made anew
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError:  # such as a full disk: the log holds everything meanwhile
            busy, pages, moved = 1, 0, 0
        if busy or moved < pages:
            self._written.set()
