"""Brings a file to the disk for many threads at once: those who wait while it is written share the next writing."""

import os
import threading
from pathlib import Path

_sync_content = getattr(os, "fdatasync", os.fsync)  # where the system can, without the time of the change


class GroupSync:
    """Makes what was written to a file durable.

    Args:
        path: The file; it need not exist while nothing has been written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._condition = threading.Condition()
        self._asked = self._done = 0
        self._writing = False

    def wait(self) -> None:
        """Return when all that was written to the file before the call is on the disk.

        Raises:
            OSError: The disk failed.
        """
        with self._condition:
            self._asked += 1
            mine = self._asked
            self._condition.wait_for(lambda: self._done >= mine or not self._writing)
            if self._done >= mine:
                return
            self._writing = True
            covered = self._asked
        try:
            self._sync()
        except BaseException:
            covered = 0
            raise
        finally:
            with self._condition:
                self._writing = False
                self._done = max(self._done, covered)
                self._condition.notify_all()

    def _sync(self) -> None:
        if not self._path.exists():
            return
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            _sync_content(descriptor)
        finally:
            os.close(descriptor)
