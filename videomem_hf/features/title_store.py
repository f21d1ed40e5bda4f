"""Vectors of titles, kept on disk by the encoder and the title's text; several processes may share the file."""

import hashlib
import sqlite3
import warnings
import zlib
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from huggingface_hub.constants import HF_HOME

from .extras import model_files

TITLE_CACHE: Final = Path(HF_HOME) / "videomem_hf" / "titles"
"""Where the vectors of titles are cached: beside the frames."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, checksum INTEGER, vector BLOB)"


class TitleStore:
    """The vectors of one encoder. Where the file cannot be used, nothing is found or kept, with a warning.

    Args:
        folder: Where the file is; made if missing.
        encoder: Name of the encoder, with the numbers of its layers if the vectors are those of layers.
        source: Its folder, or its name on the Hub.
    """

    def __init__(self, folder: Path, encoder: str | tuple[str | int, ...], source: str) -> None:
        self._path = folder / "vectors.sqlite3"
        try:
            library = version("sentence-transformers")
        except PackageNotFoundError:
            library = ""
        self._identity = repr((encoder, library, model_files(source)))

    def load(self, titles: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of the titles that have been encoded before; damaged ones are left out."""
        found = {}
        for title, (checksum, content) in zip(titles, self._run(self._read, titles) or [], strict=False):
            if content and zlib.crc32(content) == checksum:
                found[title] = np.frombuffer(content, np.float32)
        return found

    def save(self, vectors: dict[str, np.ndarray]) -> None:
        """Keep the float32 vectors of titles, all or none."""
        self._run(self._write, vectors)

    def _key(self, title: str) -> bytes:
        return hashlib.sha256(f"{self._identity}\n{title}".encode()).digest()

    def _read(self, database: sqlite3.Connection, titles: Sequence[str]) -> list[tuple[int, bytes]]:
        query = "SELECT checksum, vector FROM vectors WHERE key = ?"
        return [database.execute(query, (self._key(title),)).fetchone() or (0, b"") for title in titles]

    def _write(self, database: sqlite3.Connection, vectors: dict[str, np.ndarray]) -> None:
        rows = ((self._key(title), zlib.crc32(x.tobytes()), x.tobytes()) for title, x in vectors.items())
        with database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _run(self, action: Any, argument: Any) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=60)) as database:
                database.execute(_SCHEMA)
                return action(database, argument)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._path.unlink(missing_ok=True)  # damaged: the next vectors make a new file
            what = f"{self._path}: vectors of titles cannot be used ({error}); they are computed anew"
            warnings.warn(what, stacklevel=4)
            return None
