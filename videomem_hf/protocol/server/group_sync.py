"""Syncs a file to the disk for many threads at once: threads that wait during one sync share the next."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

sync_content = getattr(os, "fdatasync", os.fsync)  # where available; does not sync the modification time


class GroupSync:
    """Makes what was written to a file durable; the file need not exist while nothing has been written."""

    def __init__(self, path: Path, sync: Callable[[int], None] = sync_content) -> None:
        self._path, self._sync_descriptor = path, sync
        self._condition = threading.Condition()
        self._asked = self._done = 0
        self._syncing = False

    def wait(self) -> None:
        """Return when everything written to the file before the call is on the disk. Raises OSError if that fails."""
        with self._condition:
            self._asked += 1
            mine = self._asked
            self._condition.wait_for(lambda: self._done >= mine or not self._syncing)
            if self._done >= mine:
                return
            self._syncing = True
            covered = self._asked
        try:
            self._sync()
        except BaseException:
            covered = 0
            raise
        finally:
            with self._condition:
                self._syncing = False
                self._done = max(self._done, covered)
                self._condition.notify_all()

    def _sync(self) -> None:
        if not self._path.exists():
            return
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            self._sync_descriptor(descriptor)
        finally:
            os.close(descriptor)
