"""The tables of a served study, and connections to them: SQLite in the study's folder, or any PostgreSQL by URL.

Times are milliseconds since 1970 (UTC) by the server's clock. A video's counts are its annotations that are given
(by participants who passed) or under way; assignment and closing keep them in the same transaction as their cause.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from anyio import to_thread
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from videomem_hf.protocol.server.checkpoints import ON_CONNECT, Checkpoints
from videomem_hf.protocol.server.group_sync import GroupSync
from videomem_hf.schema import InputError

metadata = MetaData()

T = TypeVar("T")

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("design", JSON, nullable=False),
)
"""One row: the design that the answers belong to. Locked by whoever assigns videos."""

videos = Table(
    "videos",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("short_count", Integer, nullable=False, default=0),
    Column("long_count", Integer, nullable=False, default=0),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(16), nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("return_hash", String(64), unique=True),
    Column("platform", String(16)),
    Column("platform_id", String(128), unique=True),
    Column("joined_ms", BigInteger, nullable=False),
    Column("demographics", JSON, nullable=False),
    Column("browser", JSON, nullable=False),
)
"""`name` is random and tells nothing; `return_hash` is set when step 2 is open to the participant."""

steps = Table(
    "steps",
    metadata,
    Column("participant_id", ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("passed", Boolean),
    Column("seed", String(32), nullable=False),
    Column("page_hash", String(64), nullable=False),
    Column("next_position", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("active_ms", BigInteger, nullable=False),
    Column("free_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Index("steps_by_activity", "state", "active_ms"),
)
"""`state` is playing, completed or abandoned; `page_hash` is of the page that plays it, of any number of tabs the last;
`free_ms` is when the last showing ended, the earliest moment from which the gap to the next can run."""

showings = Table(
    "showings",
    metadata,
    Column("participant_id", ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("video_id", ForeignKey("videos.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("repeat", Boolean, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("answered", Boolean),
    Column("rt_ms", Float),
    Column("shown_ms", BigInteger),
    Column("received_ms", BigInteger),
    Column("note", String(16)),
)
"""`answered` is null until the showing is over; `note` is interrupted, unplayable, hidden or paused (see `game`)."""

COUNT_COLUMNS: Final = {1: videos.c.short_count, 2: videos.c.long_count}
MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Database:
    """Connections to a study's database.

    Args:
        url: As SQLAlchemy takes it: `sqlite:////path/study.db` or `postgresql+psycopg://user@host/name`.

    Raises:
        InputError: No such database, no driver for it, or no access.
    """

    def __init__(self, url: str) -> None:
        try:
            self.engine = create_engine(url, pool_size=20, max_overflow=20)
        except ArgumentError:
            raise InputError(
                f"{_shown(url)!r} is no database URL; for example postgresql+psycopg://user@host/name."
            ) from None
        except ModuleNotFoundError as error:
            raise InputError(
                f"No driver {error.name} for this database; pip install 'videomem_hf[postgres]'."
            ) from None
        self._one_writer = threading.Lock()
        self._log: GroupSync | None = None
        self._checkpoints: Checkpoints | None = None
        if self.engine.dialect.name == "sqlite":
            self._log = GroupSync(Path(f"{self.engine.url.database}-wal"))
            _prepare_sqlite(self.engine)
        try:
            self._migrate()
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise InputError(f"{_shown(url)}: cannot be opened ({reason}).") from None
        if self._log is not None:
            self._checkpoints = Checkpoints(Path(str(self.engine.url.database)))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or, if anything is raised, nothing; it is on the disk at the end.

        SQLite has one writer at a time. Its own waiting is by growing sleeps, a lock's is not; and it would bring its
        log to the disk once a transaction, which takes longer than the transaction and is shared here.
        """
        with self._transaction() as connection:
            yield connection
        self._bring_to_disk()

    async def reading(self, function: Callable[[Connection], T]) -> T:
        """Call a function with a transaction that only reads, without keeping other coroutines waiting for long.

        SQLite answers within a millisecond, which is less than a thread costs: each of its calls would let go of
        Python's lock and wait for it again. What another server answers is waited for in a thread.
        """

        def read() -> T:
            with self.read() as connection:
                return function(connection)

        return read() if self._log is not None else await to_thread.run_sync(read)

    async def writing(self, function: Callable[[Connection], T]) -> T:
        """Do the same with a transaction as `write` gives it."""

        def write() -> T:
            with self._transaction() as connection:
                return function(connection)

        if self._log is None:
            return await to_thread.run_sync(write)
        result = write()
        await to_thread.run_sync(self._bring_to_disk)
        return result

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._log is None:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._one_writer, self.engine.connect() as connection:
            connection.execution_options(begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def _bring_to_disk(self) -> None:
        if self._log is not None:
            self._log.wait()
        if self._checkpoints is not None:
            self._checkpoints.written()

    def close(self) -> None:
        """Give back all connections."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        self.engine.dispose()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _prepare_sqlite(engine: Engine) -> None:
    path = engine.url.database
    if path and path != ":memory:" and not Path(path).exists():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise InputError(f"{path}: cannot be made ({error.strerror}).") from None

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "secure_delete=ON",
            ON_CONNECT,
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _shown(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url.split("@")[-1][:80]
