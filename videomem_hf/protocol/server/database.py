"""The tables of a served study, and connections to them: SQLite in the study's folder, or any PostgreSQL by URL.

Times are milliseconds since 1970 (UTC) by the server's clock. A video's counts are its annotations from participants
who passed and those under way; assignment, closing and deletion update them in their own transaction.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy import Column, Connection, Engine, ForeignKey, Table
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from videomem_hf.protocol.server.checkpoints import ON_CONNECT, PERIOD_S, Checkpoints
from videomem_hf.protocol.server.group_sync import GroupSync, sync_content
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

metadata = sa.MetaData()

T = TypeVar("T")

studies = Table(
    "studies",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("design", sa.JSON, nullable=False),
    Column("pause_message", sa.String(1000)),
)
"""One row: the design of the responses, and what participants read while the study is paused (null while it is not).
Locked while videos are assigned."""

videos = Table(
    "videos",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", sa.String(255), nullable=False, unique=True),
    Column("short_count", sa.Integer, nullable=False, default=0),
    Column("long_count", sa.Integer, nullable=False, default=0),
    Column("short_given", sa.Integer, nullable=False, server_default="0"),
    Column("short_hits", sa.Integer, nullable=False, server_default="0"),
    Column("long_given", sa.Integer, nullable=False, server_default="0"),
    Column("long_hits", sa.Integer, nullable=False, server_default="0"),
    Column("long_waiting", sa.Integer, nullable=False, server_default="0"),
)
"""`given`, `hits` and `waiting` are those of `policy.Tally`, kept where the design has assignments logged."""

assignments = Table(
    "assignments",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("kind", sa.String(16), nullable=False),
    Column("participant_id", ForeignKey("participants.id", ondelete="SET NULL"), index=True),
    Column("step", sa.Integer, nullable=False),
    Column("seed", sa.String(32)),
    Column("content", sa.JSON, nullable=False),
)
"""The events of `assignment.log`, in order; `participant_id` is null where nothing of the participant is kept."""

participants = Table(
    "participants",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", sa.String(16), nullable=False, unique=True),
    Column("token_hash", sa.String(64), nullable=False, unique=True),
    Column("return_hash", sa.String(64), unique=True),
    Column("platform", sa.String(16)),
    Column("platform_id", sa.String(128), unique=True),
    Column("platform_sealed", sa.String(1200)),
    Column("joined_ms", sa.BigInteger, nullable=False),
    Column("demographics", sa.JSON, nullable=False),
    Column("browser", sa.JSON, nullable=False),
    Column("language", sa.String(35)),
    Column("page", sa.String(24)),
    Column("withdrawn", sa.String(8)),
    Column("withdrawn_ms", sa.BigInteger),
)
"""`name` is random; `return_hash` is set when the participant is invited to step 2. `platform_id` recognises the
owner of an id of a recruiting platform; `platform_sealed` is that id, encrypted with the study's key. `page` is the
last page that they opened, such as "1 practice"; `withdrawn` is null, or what they chose for their data: deleted or
kept_out."""

steps = Table(
    "steps",
    metadata,
    Column("participant_id", ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
    Column("step", sa.Integer, primary_key=True),
    Column("state", sa.String(16), nullable=False),
    Column("passed", sa.Boolean),
    Column("seed", sa.String(32), nullable=False),
    Column("page_hash", sa.String(64), nullable=False),
    Column("next_position", sa.Integer, nullable=False),
    Column("interruptions", sa.Integer, nullable=False),
    Column("failures", sa.Integer, nullable=False, server_default="0"),
    Column("begun_ms", sa.BigInteger, key="started_ms", nullable=False),
    Column("active_ms", sa.BigInteger, nullable=False),
    Column("free_ms", sa.BigInteger, nullable=False),
    Column("closed_ms", sa.BigInteger),
    Column("study_id", sa.String(255)),
    Column("session_id", sa.String(255)),
    sa.Index("steps_by_activity", "state", "active_ms"),
)
"""`state` is playing, completed, abandoned, technical (too many failures of the equipment) or withdrawn; `page_hash`
identifies the page that plays it, the last of several tabs;
`started_ms` is the column `begun_ms`; `free_ms` is when the last showing ended and the gap to the next one started."""

showings = Table(
    "showings",
    metadata,
    Column("participant_id", ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
    Column("step", sa.Integer, primary_key=True),
    Column("position", sa.Integer, primary_key=True),
    Column("video_id", ForeignKey("videos.id"), nullable=False),
    Column("role", sa.String(16), nullable=False),
    Column("repeat", sa.Boolean, nullable=False),
    Column("slot", sa.Integer, nullable=False),
    Column("answered", sa.Boolean, key="pressed"),
    Column("rt_ms", sa.Float),
    Column("shown_ms", sa.BigInteger),
    Column("received_ms", sa.BigInteger),
    Column("note", sa.String(16)),
    Column("hidden_ms", sa.Integer),
    Column("stalled_ms", sa.Integer),
    Column("frames", sa.Integer),
    Column("frames_dropped", sa.Integer),
    Column("window_width", sa.Integer),
    Column("window_height", sa.Integer),
)
"""`pressed` (column `answered`) is null until the showing is over; `note` is one of `game.Note`; the last six are those
of `game.Playback`."""

practice = Table(
    "practice",
    metadata,
    Column("participant_id", ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True),
    Column("step", sa.Integer, primary_key=True),
    Column("round", sa.Integer, primary_key=True),
    Column("position", sa.Integer, primary_key=True),
    Column("clip", sa.Integer, nullable=False),
    Column("repeat", sa.Boolean, nullable=False),
    Column("rt_ms", sa.Float),
    Column("note", sa.String(16)),
    Column("received_ms", sa.BigInteger, nullable=False),
)
"""Responses of the practice, which are never scored; `rt_ms` is null where the key was not pressed."""

counts = Table(
    "counts", metadata, Column("name", sa.String(40), primary_key=True), Column("total", sa.Integer, nullable=False)
)
"""How often each of `visits.COUNTED` happened to people of whom nothing else is kept."""

TALLY_COLUMNS: Final = {
    1: (videos.c.short_count, videos.c.short_given, videos.c.short_hits),
    2: (videos.c.long_count, videos.c.long_given, videos.c.long_hits),
}
"""The columns of a `policy.Tally`, by step."""
_PRAGMAS: Final = (
    "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000", "secure_delete=ON", ON_CONNECT,
)  # fmt: skip
MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Database:
    """Connections to a study's database.

    Args:
        url: In SQLAlchemy's form: `sqlite:////path/study.db` or `postgresql+psycopg://user@host/name`.
        sync: SQLite: syncs the open log to the disk, given its descriptor.
        checkpoint_s: SQLite: seconds between checkpoints.

    Raises:
        InputError: No such database, no driver for it, or no access.
    """

    def __init__(self, url: str, *, sync: Callable[[int], None] = sync_content, checkpoint_s: float = PERIOD_S) -> None:
        try:
            self.engine = sa.create_engine(url, pool_size=20, max_overflow=20)
        except ArgumentError:
            remedy = "for example postgresql+psycopg://user@host/name."
            raise InputError(f"{_hide_password(url)!r} is no database URL; {remedy}") from None
        except ModuleNotFoundError as error:
            remedy = "pip install 'videomem_hf[postgres]'."
            raise InputError(f"No driver {error.name} for this database; {remedy}") from None
        self._one_writer = threading.Lock()
        self._log: GroupSync | None = None
        self._checkpoints: Checkpoints | None = None
        if self.engine.dialect.name == "sqlite":
            self._log = GroupSync(Path(f"{self.engine.url.database}-wal"), sync)
            _prepare_sqlite(self.engine)
        try:
            self._migrate()
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise InputError(f"{_hide_password(url)}: cannot be opened ({reason}).") from None
        if self._log is not None:
            self._checkpoints = Checkpoints(Path(str(self.engine.url.database)), checkpoint_s)

    def read(self) -> Connection:
        """A connection for reading, to be closed by `with`."""
        return self.engine.connect()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed and on the disk at the end, or rolled back if anything is raised.

        SQLite has one writer at a time and lets others wait in growing sleeps; a lock here wakes them at once. It would
        also sync its log once per transaction, which takes longer than the transaction; here writers share a sync.
        """
        with self._transaction() as connection:
            yield connection
        self._sync()

    async def read_async(self, function: Callable[[Connection], T]) -> T:
        """Call a function with a read-only transaction, without blocking other coroutines for long.

        SQLite takes less than a millisecond, less than handing the call to a thread. Calls to another database server
        run in a thread.
        """

        def read() -> T:
            with self.read() as connection:
                return function(connection)

        return read() if self._log is not None else await to_thread.run_sync(read)

    async def write_async(self, function: Callable[[Connection], T]) -> T:
        """Call a function with a writing transaction, as `write` does."""

        def write() -> T:
            with self._transaction() as connection:
                return function(connection)

        if self._log is None:
            return await to_thread.run_sync(write)
        result = write()
        await to_thread.run_sync(self._sync)
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

    def _sync(self) -> None:
        if self._log is not None:
            self._log.wait()
        if self._checkpoints is not None:
            self._checkpoints.note_write()

    def close(self) -> None:
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
            raise InputError(f"{path}: cannot be made ({os_cause(error)}).") from None

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "handle_error")
    def _damaged(context: Any) -> None:
        if type(context.original_exception) is sqlite3.DatabaseError:  # not its subclasses, such as a full disk
            raise InputError(f"{path}: damaged ({context.original_exception}); restore a backup.") from None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _hide_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url.split("@")[-1][:80]
