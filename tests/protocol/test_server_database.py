"""The study's database: migrations, transactions, what survives a power cut or a kill; SQLite and PostgreSQL."""

import csv
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text
from typer.testing import CliRunner

from tests.protocol.conftest import FAST
from tests.protocol.play import ClipNames, HttpConnection, Play
from tests.protocol.served import SHORT, Attentive, make_study, served
from videomem_hf.cli import app
from videomem_hf.protocol.design import Presentation
from videomem_hf.protocol.server.backup import back_up
from videomem_hf.protocol.server.database import MIGRATIONS, Database, videos
from videomem_hf.protocol.server.export import annotation_lines
from videomem_hf.protocol.server.group_sync import GroupSync
from videomem_hf.schema import InputError


def alembic(connection):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def test_the_migrations_make_the_tables_and_take_them_back(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'study.db'}")
    with database.write() as connection:
        command.check(alembic(connection))
        command.downgrade(alembic(connection), "base")
        left = connection.execute(text("select name from sqlite_master where type = 'table'")).scalars().all()
        assert left == ["alembic_version"]
    Database(f"sqlite:///{tmp_path / 'study.db'}")


def test_a_missing_column_is_noticed(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'study.db'}")
    with database.write() as connection:
        connection.execute(text("alter table participants drop column browser"))
        with pytest.raises(Exception, match="browser"):
            command.check(alembic(connection))


def test_a_transaction_is_all_or_nothing(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'study.db'}")
    row = {"name": "a", "short_count": 0, "long_count": 0}
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(videos).values(row))
        raise RuntimeError
    with database.write() as connection:
        assert connection.execute(select(videos)).all() == []
        connection.execute(insert(videos).values(row))
    with database.read() as connection:
        assert len(connection.execute(select(videos)).all()) == 1


def test_the_file_is_the_owners_alone(tmp_path):
    Database(f"sqlite:///{tmp_path / 'study.db'}")
    assert (tmp_path / "study.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "no database URL"),
        ("sqlite:////no/such/folder/study.db", "cannot be made"),
        ("nosuch://host/name", "no database URL"),
    ],
)
def test_a_wrong_url_gets_one_sentence(url, said):
    with pytest.raises(InputError, match=said):
        Database(url)


def is_waiting(thread):
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and (frame.f_code.co_filename, frame.f_code.co_name) == (threading.__file__, "wait")


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_threads_that_wait_during_a_sync_share_the_next(tmp_path):
    """21 threads write and wait: two syncs serve them all, and each returns with its own line on the disk."""
    log, disk, may_end, returned = tmp_path / "log", [], threading.Event(), []

    def sync(descriptor):
        content = os.pread(descriptor, 10_000, 0).splitlines()
        may_end.wait(60)
        disk.append(content)

    shared = GroupSync(log, sync)

    def write(number):
        with log.open("ab", buffering=0) as file:
            file.write(b"%d\n" % number)
        shared.wait()
        returned.append(any(b"%d" % number in content for content in disk))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(21)]
    for thread in threads:
        thread.start()
        until(partial(is_waiting, thread))
    assert returned == []
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert returned == [True] * 21
    assert [len(content) for content in disk] == [1, 21]


def test_a_failing_disk_is_reported_to_everyone_who_waits(tmp_path):
    (tmp_path / "log").touch()
    failures = [OSError("disk"), OSError("disk")]

    def sync(descriptor):
        if failures:
            raise failures.pop()

    shared = GroupSync(tmp_path / "log", sync)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            shared.wait()
    shared.wait()


def test_every_confirmed_response_survives_a_power_cut(clips, tmp_path):
    """After each reply, what had been synced by then is opened as a database: the response is in it."""
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    synced, counts = [b""], []

    def sync(descriptor):
        synced.append(os.pread(descriptor, 1 << 26, 0))

    def cut_power(method, path, seconds):
        if method == "PUT":
            cut = tmp_path / f"cut{len(counts)}.db"
            cut.write_bytes((study.folder / "study.db").read_bytes())
            cut.with_name(f"{cut.name}-wal").write_bytes(synced[-1])
            with closing(sqlite3.connect(cut)) as connection:
                query = "select count(*), count(rt_ms) from showings where answered is not null"
                counts.append(connection.execute(query).fetchone())

    with served(study, secret, sync=sync, checkpoint_s=3600.0) as game:
        play = game.play()
        play.on_reply = cut_power
        play.step(1)
    pressed = [rt_ms is not None for _, rt_ms in play.responses.values()]
    assert counts == [(number, sum(pressed[:number])) for number in range(1, 15)]


SERVER = """
import sys
from pathlib import Path
import uvicorn
from videomem_hf.protocol.server.app import create_app
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.study import open_study
study = open_study(Path(sys.argv[1]))
app = create_app(study, Database(sys.argv[3] or study.database_url))
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


class Quick(Attentive):
    """Presses 120 ms after the start of a known clip."""

    def respond(self, video, step=1, hours=24.0):
        return None if super().respond(video) is None else 120.0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_server_loses_no_confirmed_response(kind, request, clips, tmp_path):
    """The server is killed after five responses and started again; the page goes on without noticing."""
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else ""
    design = replace(SHORT, presentation=Presentation(window_s=0.2, gap_s=0.05))
    study, _ = make_study(tmp_path / "study", clips, design=design, settings=FAST)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(study.folder), str(port), url]
    server = subprocess.Popen(command)
    try:
        connection = HttpConnection(f"http://127.0.0.1:{port}")
        play = Play(connection, ClipNames(study.clips.values()), Quick())
        play.join()
        play.step(1, until=6)
        server.kill()
        server.wait()
        server = subprocess.Popen(command)
        play.step(1)
        name = play.me()["participant"]
    finally:
        server.kill()
        server.wait()
    database = Database(url or study.database_url)
    with database.read() as connection:
        rows = list(csv.DictReader("".join(annotation_lines(connection)).splitlines()))
    database.close()
    assert {row["participant"] for row in rows} == {name}
    stored = {int(row["position"]): (row["video"], float(row["rt_ms"]) if row["rt_ms"] else None) for row in rows}
    assert stored == {position: response for (_, position), response in play.responses.items()}
    assert len(stored) == 14


@pytest.mark.parametrize("damage", [slice(0, 4000), slice(4096, 60_000)])
def test_a_damaged_database_is_an_error_of_one_sentence(game, tmp_path, damage):
    game.play().step(1)
    folder = shutil.copytree(game.study.folder, tmp_path / "copy")
    back_up(game.study, tmp_path / "backup")
    content = bytearray((tmp_path / "backup" / "study.db").read_bytes())
    content[damage] = b"x" * len(content[damage])
    for file in folder.glob("study.db*"):
        file.unlink()
    (folder / "study.db").write_bytes(content)
    result = CliRunner().invoke(app, ["study", "export", str(folder), str(tmp_path / "annotations.csv")])
    assert isinstance(result.exception, InputError)
    assert "study.db: damaged" in str(result.exception)


def test_commits_leave_checkpoints_to_the_background(tmp_path):
    """1,500 changed pages, beyond the 1,000 at which SQLite has a commit checkpoint them: the database file waits."""
    path = tmp_path / "study.db"
    database = Database(f"sqlite:///{path}", checkpoint_s=3600.0)
    with closing(sqlite3.connect(path)) as other:  # what the migrations wrote
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    rows = [{"name": f"{number:0200d}", "short_count": 0, "long_count": 0} for number in range(12_000)]
    with database.write() as connection:
        connection.execute(videos.insert(), rows)
    assert path.read_bytes() == before
    assert path.with_name("study.db-wal").stat().st_size > 4096 * 1000
    other = Database(f"sqlite:///{path}", checkpoint_s=0.01)
    with other.write() as connection:
        connection.execute(videos.delete().where(videos.c.id == 1))
    until(lambda: rows[-1]["name"].encode() in path.read_bytes())
    other.close()
    database.close()
    assert not path.with_name("study.db-wal").exists()


def test_a_study_on_postgresql(postgres_url, clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips, design=SHORT, settings=FAST)
    with served(study, secret, url=postgres_url) as game:
        with game.database.write() as connection:
            command.check(alembic(connection))
        plays = [game.play() for _ in range(4)]
        threads = [threading.Thread(target=play.step, args=(1,), kwargs={"until": 3}) for play in plays]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for play in plays:
            play.step(1)
        game.clock.sleep(25 * 3600)
        for play in plays[:2]:
            play.step(2)
        name = plays[3].me()["participant"]
        assert game.admin("POST", "/admin/delete", json={"participant": name}).json() == {"responses": 14}
        rows = game.admin("GET", "/admin/annotations.csv").text.splitlines()
        assert len(rows) == 1 + 3 * 14 + 2 * 6
        assert "<td>3</td>" in game.admin("GET", "/admin").text
        with game.database.write() as connection:
            command.downgrade(alembic(connection), "base")
            left = connection.execute(text("select tablename from pg_tables where schemaname = current_schema()"))
            assert left.scalars().all() == ["alembic_version"]
