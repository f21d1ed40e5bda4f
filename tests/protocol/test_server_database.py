"""The study's database: migrations, one writer, what is on the disk when, PostgreSQL where there is one."""

import os
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text

from tests.protocol.conftest import FAST
from tests.protocol.served import SHORT, make_study, served
from videomem_hf.protocol.server import checkpoints, group_sync
from videomem_hf.protocol.server.database import MIGRATIONS, Database, videos
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


def test_who_waits_shares_a_writing_that_began_later(tmp_path, monkeypatch):
    """20 threads ask while the first writing is under way: one more serves all, none returns before."""
    sync = GroupSync(tmp_path / "log")
    begun, ended, may_end = [], [], threading.Event()

    def slow():
        begun.append(time.monotonic())
        may_end.wait(10)
        ended.append(time.monotonic())

    monkeypatch.setattr(sync, "_sync", slow)
    returned = []

    def ask():
        sync.wait()
        returned.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(21)]
    threads[0].start()
    while not begun:
        time.sleep(0.001)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.2)
    assert returned == []
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert len(begun) == 2
    assert sum(moment >= ended[1] for moment in returned) == 20


def test_a_disk_that_fails_is_told_to_everyone_who_waits(tmp_path, monkeypatch):
    sync = GroupSync(tmp_path / "log")

    def fail():
        raise OSError("disk")

    monkeypatch.setattr(sync, "_sync", fail)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            sync.wait()
    monkeypatch.undo()
    sync.wait()


def test_an_answer_is_on_the_disk_before_it_is_confirmed(game, monkeypatch):
    order = []
    monkeypatch.setattr(group_sync, "_sync_content", lambda descriptor: order.append("disk"))
    play = game.play()
    order.clear()
    play.timed = lambda method, path, seconds: order.append(method)
    play.step(1, until=2)
    assert order == ["disk", "POST", "GET", "disk", "PUT"]


def test_the_log_is_moved_beside_the_requests_and_not_by_them(tmp_path, monkeypatch):
    """1,500 changed pages, beyond the 1,000 at which SQLite has a commit move them: the database's own file waits."""
    monkeypatch.setattr(checkpoints, "PERIOD_S", 3600.0)
    path = tmp_path / "study.db"
    database = Database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as other:  # what the migrations wrote
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    rows = [{"name": f"{number:0200d}", "short_count": 0, "long_count": 0} for number in range(12_000)]
    with database.write() as connection:
        connection.execute(videos.insert(), rows)
    assert path.read_bytes() == before
    assert path.with_name("study.db-wal").stat().st_size > 4096 * 1000
    monkeypatch.setattr(checkpoints, "PERIOD_S", 0.01)
    other = Database(f"sqlite:///{path}")  # its thread does not wait so long
    with other.write() as connection:
        connection.execute(videos.delete().where(videos.c.id == 1))
    deadline = time.monotonic() + 20
    while rows[-1]["name"].encode() not in path.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    other.close()
    database.close()
    assert not path.with_name("study.db-wal").exists()


POSTGRES = os.environ.get("VIDEOMEM_TEST_POSTGRES")


@pytest.mark.skipif(POSTGRES is None, reason="VIDEOMEM_TEST_POSTGRES names no empty PostgreSQL database")
def test_a_study_on_postgresql(clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips, design=SHORT, settings=FAST)
    with served(study, secret, url=POSTGRES) as game:
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
        assert game.admin("POST", "/admin/delete", json={"participant": name}).json() == {"answers": 14}
        rows = game.admin("GET", "/admin/annotations.csv").text.splitlines()
        assert len(rows) == 1 + 3 * 14 + 2 * 6
        assert "<td>3</td>" in game.admin("GET", "/admin").text
    with Database(POSTGRES).write() as connection:
        command.downgrade(alembic(connection), "base")
