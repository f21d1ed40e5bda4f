"""Backups of a study while it is served: SQLite by its own online backup, PostgreSQL by pg_dump.

    OUT/study.db or study.dump    the responses
    OUT/design.yaml, study.yaml, secrets.json

The clips are not in it. To restore SQLite, copy the files into the study's folder; for PostgreSQL,
`pg_restore --clean --if-exists --dbname=URL study.dump`.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from videomem_hf.protocol.server.study import Study
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

_FILES: Final = ("design.yaml", "study.yaml", "secrets.json")


def back_up(study: Study, out: Path, url: str | None = None) -> Path:
    """Write a backup into a new folder, which only its owner can read; returns the file of the responses.

    `url` is that of the database, by default the study's own. Raises InputError if the folder exists, the database
    cannot be read, or pg_dump is missing or fails; the folder is then not there.
    """
    address = make_url(url or study.database_url)
    if out.exists():
        raise InputError(f"{out}: exists already; give a new folder for the backup.")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True, mode=0o700)
        if address.get_backend_name() == "sqlite":
            name = "study.db"
            _copy_sqlite(Path(str(address.database)), partial / name)
        else:
            name = "study.dump"
            _dump_postgres(address.render_as_string(hide_password=False), partial / name)
        for file in _FILES:
            shutil.copy2(study.folder / file, partial / file)
        partial.rename(out)
    except OSError as error:
        raise InputError(
            f"{error.filename or out}: cannot be written ({os_cause(error)}); give another folder."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / name


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise InputError(f"{source}: no such database; nobody has taken part yet, or give its --database.")
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target)) as write,
        ):
            read.backup(write)
    except sqlite3.Error as error:
        raise InputError(f"{source}: cannot be backed up ({error}).") from None


def _dump_postgres(url: str, target: Path) -> None:
    address = make_url(url)
    program = shutil.which("pg_dump")
    if program is None:
        raise InputError("pg_dump is not on the PATH; install PostgreSQL's client programs (postgresql-client).")
    plain = address.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = os.environ | ({"PGPASSWORD": str(address.password)} if address.password else {})
    command = [program, "--format=custom", f"--file={target}", f"--dbname={plain}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode:
        raise InputError(
            f"pg_dump failed: {result.stderr.strip().splitlines()[0] if result.stderr else 'no reason given'}"
        )
