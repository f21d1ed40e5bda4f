"""Backups that restore, pauses with a message, and what the experimenter's page shows."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.protocol.conftest import FAST
from tests.protocol.play import GameOver
from tests.protocol.served import Attentive, ClientConnection, make_study, served
from videomem_hf.protocol.server.backup import back_up
from videomem_hf.protocol.server.export import annotation_lines
from videomem_hf.protocol.server.pause import pause_message, set_pause
from videomem_hf.protocol.server.report import study_report
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.study import open_study
from videomem_hf.schema import InputError

POSTGRES_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def table(game) -> str:
    with game.database.read() as connection:
        return "".join(annotation_lines(connection))


def test_a_backup_of_a_running_study_restores(game, tmp_path):
    game.play().step(1)
    playing = game.play()
    playing.step(1, until=5)
    before = table(game)
    file = back_up(game.study, tmp_path / "backup")
    playing.step(1)
    assert table(game) != before
    assert {entry.name for entry in file.parent.iterdir()} == {"study.db", "design.yaml", "study.yaml", "secrets.json"}
    assert file.parent.stat().st_mode & 0o077 == 0
    restored = tmp_path / "restored"
    shutil.copytree(game.study.folder / "clips", restored / "clips")
    shutil.copytree(game.study.folder / "examples", restored / "examples")
    for entry in file.parent.iterdir():
        shutil.copy(entry, restored / entry.name)
    with served(open_study(restored), clock=game.clock) as again:
        assert table(again) == before
        again.play().step(1)
    with pytest.raises(InputError, match="exists already"):
        back_up(game.study, tmp_path / "backup")


def test_a_backup_of_nothing_leaves_nothing(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips)
    with pytest.raises(InputError, match="no such database"):
        back_up(study, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.skipif(POSTGRES_BIN is None, reason="no programs of PostgreSQL on this machine")
def test_a_backup_of_postgresql_restores(clips, tmp_path, postgres_url, monkeypatch):
    monkeypatch.setenv("PATH", f"{POSTGRES_BIN}:{os.environ['PATH']}")
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    name = f"restored_{os.urandom(4).hex()}"
    with served(study, secret, url=postgres_url) as game:
        game.play().step(1)
        file = back_up(study, tmp_path / "backup", postgres_url)
    engine = create_engine(make_url(postgres_url).difference_update_query(["options"]), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    plain = make_url(postgres_url).set(drivername="postgresql", database=name).difference_update_query(["options"])
    command = ["pg_restore", f"--dbname={plain.render_as_string(hide_password=False)}", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    schema = make_url(postgres_url).query["options"].partition("search_path=")[2]
    other = create_engine(plain.set(drivername="postgresql+psycopg"))
    with other.connect() as connection:
        assert (
            connection.execute(text(f"select count(*) from {schema}.showings where answered is not null")).scalar()
            == 14
        )
    other.dispose()
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name}"))
    engine.dispose()


def test_a_pause_keeps_people_out_and_lets_players_go_on(any_game):
    playing = any_game.play()
    playing.step(1, until=4)
    ready = any_game.play()
    assert any_game.admin("POST", "/admin/pause", json={"message": "Back on <Monday>"}).json() == {"paused": True}
    assert ClientConnection(any_game.client).send("GET", "/api/me").json() == {
        "stage": "paused", "message": "Back on <Monday>",
    }  # fmt: skip
    assert ready.me()["stage"] == "paused"
    with pytest.raises(GameOver, match="Back on"):
        ready.step(1)
    with pytest.raises(GameOver, match="paused"):
        any_game.play()
    playing.step(1)
    me = playing.me()
    assert (me["stage"], me["message"]) == ("waiting", "Back on <Monday>")
    assert "Back on &lt;Monday&gt;" in any_game.admin("GET", "/admin").text
    any_game.admin("POST", "/admin/pause", json={"message": None})
    assert ready.me()["stage"] == "ready"
    ready.step(1)


def test_a_message_that_is_too_long_is_refused(game):
    said = "The message has 1,203 characters; shorten it to 1,000"
    with pytest.raises(InputError, match=said), game.database.write() as connection:
        set_pause(connection, "x" * 1203)
    with game.database.read() as connection:
        assert pause_message(connection) is None


def test_the_report_says_where_people_left_and_what_it_cost(clips, tmp_path):
    settings = StudySettings(pay_per_hour=36.0, joins_per_minute=1000, requests_per_second=1000)
    study, secret = make_study(tmp_path / "study", clips, settings=settings)
    with served(study, secret) as game:
        for until in (2, 13, 14):
            game.play().step(1, until=until)
        start = game.clock.ms
        game.play(Attentive()).step(1)
        hours = (game.clock.ms - start) / 3_600_000
        game.clock.sleep(26 * 3600)
        page = game.admin("GET", "/admin").text
        with game.database.read() as connection:
            report = study_report(connection)
        assert report.steps[1].left_at == (1, 0, 0, 2)
        assert report.steps[1].rt_ms == pytest.approx(1000)
        assert report.steps[1].paid_hours == pytest.approx(hours, abs=0.5 / 3600)
        assert list(report.days.values()) == [4]
        assert list(report.days) == ["2027-01-15"]
        assert f"without fees, in the currency of pay_per_hour: {36 * report.steps[1].paid_hours:.2f}" in page
        counts = [video.short_given for video in report.videos]
        order = [
            page.index(f"<th>{video.name}</th>") for video in sorted(report.videos, key=lambda each: each.short_given)
        ]
        assert order == sorted(order)
        assert max(counts) > 0
