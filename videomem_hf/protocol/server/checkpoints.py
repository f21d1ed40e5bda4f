"""Checkpoints an SQLite database in the background, so that no commit has to wait for it."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

PERIOD_S: Final = 60.0
"""A checkpoint syncs the whole database, and responses that are stored meanwhile wait for the disk."""
ON_CONNECT: Final = "wal_autocheckpoint=50000"
"""The pragma for connections that leave checkpoints to this thread until the log has this many pages (200 MB)."""


class Checkpoints:
    """A thread that checkpoints a database in WAL mode every `period_s` seconds if anything was written."""

    def __init__(self, path: Path, period_s: float = PERIOD_S) -> None:
        self._path, self._period_s = path, period_s
        self._written, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def note_write(self) -> None:
        """Note that something was written to the log."""
        self._written.set()

    def close(self) -> None:
        """End the thread; SQLite itself checkpoints when the last connection is closed."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._period_s):
            if self._written.is_set():
                self._written.clear()
                self.checkpoint()

    def checkpoint(self) -> None:
        """Move to the database what no reader needs in the log, without blocking anyone."""
        address = f"{self._path.resolve().as_uri()}?mode=rw"  # does not create a file that is gone
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError:  # such as a full disk: the log holds everything meanwhile
            busy, pages, moved = 1, 0, 0
        if busy or moved < pages:
            self._written.set()
