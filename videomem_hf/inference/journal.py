"""A file of JSON lines that keeps what is done, line by line, whatever happens to the run."""

import json
import os
from pathlib import Path
from typing import Any

from videomem_hf.schema import InputError
from videomem_hf.system import os_cause


class Journal:
    """An open journal.

    A line that was cut off when the process was killed is dropped.

    Args:
        path: Of the file; made if it is not there.
        about: What a new file starts with.

    Attributes:
        lines: Those that were in the file, `about` first.

    Raises:
        InputError: The file cannot be read or written.
        ValueError: It is none of JSON lines.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.lines = [about]
        try:
            self._read() if path.exists() else path.write_text(_line(about), encoding="utf-8")
            self._file = path.open("a", encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({os_cause(error)})") from None

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        self.lines = [json.loads(line) for line in whole.decode("utf-8", "surrogateescape").splitlines()]
        if whole != content:
            os.truncate(self.path, len(whole))

    def add(self, line: dict[str, Any]) -> None:
        """Write a line; it is in the file when this returns."""
        self._file.write(_line(line))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content) + "\n"
