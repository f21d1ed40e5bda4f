"""People before, beside and after the game: no consent, practice, pages, withdrawing, and studies of before."""

import csv
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from alembic import command
from sqlalchemy import select

from tests.clips import write_clip
from tests.protocol.conftest import FAST
from tests.protocol.play import GameOver
from tests.protocol.served import SHORT, ClientConnection, make_study, served
from tests.protocol.test_server_database import alembic
from tests.protocol.test_server_game import counts
from videomem_hf.protocol.design import Practice
from videomem_hf.protocol.server.clips import check_clip
from videomem_hf.protocol.server.database import Database, participants, practice, showings, steps, videos
from videomem_hf.protocol.server.practice import generated_clip, practice_order
from videomem_hf.protocol.server.report import study_report
from videomem_hf.protocol.server.study import open_study
from videomem_hf.schema import InputError


def rows(game, table):
    return list(csv.DictReader(game.admin("GET", f"/admin/{table}.csv").text.splitlines()))


def test_who_does_not_agree_is_counted_and_nothing_else_is_kept(any_game):
    game = any_game
    for name in ("opened", "opened", "declined", "unsuitable_screen"):
        assert ClientConnection(game.client).send("POST", "/api/count", {"name": name}).status == 200
    assert ClientConnection(game.client).send("POST", "/api/count", {"name": "other"}).status == 422
    with game.database.read() as connection:
        report = study_report(connection)
        assert connection.execute(select(participants)).all() == []
    assert {name: count for name, count in report.visits.items() if count} == {
        "opened": 2, "declined": 1, "unsuitable_screen": 1,
    }  # fmt: skip
    page = game.admin("GET", "/admin").text
    assert "did not agree 1" in page
    assert "<th>device: screen (visitors)</th><td>1</td>" in page


def test_two_tabs_of_a_newcomer_are_one_participant(any_game):
    """Both tabs show the consent; another person at the same browser is another participant."""
    game = any_game
    browser = ClientConnection(game.client)
    joining = {"consent": True, "platform": "link", "platform_id": "ANNA7"}
    for body in (joining, joining, joining | {"platform_id": "BEN8"}, joining | {"platform_id": "BEN8"}):
        assert browser.send("POST", "/api/participants", body).status == 200
    stranger = ClientConnection(game.client)
    assert stranger.send("POST", "/api/participants", joining).json()["error"] == "took_part"
    plain = ClientConnection(game.client)
    for _ in range(2):
        assert plain.send("POST", "/api/participants", {"consent": True}).status == 200
    assert len(rows(game, "participants")) == 3


def test_counting_has_a_limit(clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips, settings=replace(FAST, joins_per_minute=2))
    with served(study, secret) as game:
        for _ in range(20):
            ClientConnection(game.client).send("POST", "/api/count", {"name": "opened"})
        with game.database.read() as connection:
            assert study_report(connection).visits["opened"] == 6


@pytest.mark.parametrize("design", [Practice(), Practice(0, 0), Practice(1, 1), Practice(2, 2), Practice(9, 8)])
def test_the_practice_shows_what_it_says(design):
    """A repeat has been seen, a new clip has not, and the numbers are those of the design."""
    seen = set()
    for step, wanted in ((1, design.step1_showings), (2, design.step2_showings)):
        order = practice_order(design, step)
        assert len(order) == wanted
        before = set(seen)
        for showing in order:
            assert showing.repeat == (showing.clip in (seen if step == 1 else before))
            seen.add(showing.clip)
    assert seen == set(range(design.clips))
    with pytest.raises(InputError, match="step2_showings 2 with step1_showings 1"):
        Practice(1, 2)


def test_practice_is_stored_apart_and_never_scored(any_game):
    game = any_game
    play = game.play()
    order = practice_order(SHORT.practice, 1)
    path, body = "/api/steps/1/practice", {"round": 1, "position": 3, "rt_ms": 812.25}
    assert play.request("PUT", path, body).json() == {"repeat": order[2].repeat}
    play.request("PUT", path, {"round": 1, "position": 4, "rt_ms": None, "note": "stalled"})
    play.request("PUT", path, body)
    for wrong in ({"round": 1, "position": 6, "rt_ms": None}, {"round": 21, "position": 1, "rt_ms": None}):
        with pytest.raises(GameOver, match=r"impossible|invalid"):
            play.request("PUT", path, wrong)
    play.step(1)
    stored = rows(game, "practice")
    assert [
        (row["position"], row["clip"], row["repeat"], row["pressed"], row["rt_ms"], row["note"]) for row in stored
    ] == [
        ("3", "0", "1", "1", "812.2", ""),
        ("4", "2", "0", "0", "", "stalled"),
    ]
    assert len(rows(game, "annotations")) == 14


def test_practice_clips_are_generated_or_the_studys_own_but_never_scored_ones(clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    for suffix in (".webm", ".mp4"):
        file = tmp_path / f"made{suffix}"
        file.write_bytes(generated_clip(1, suffix))
        assert check_clip(file) == pytest.approx(3.0, abs=0.2)
    assert generated_clip(0, ".webm") != generated_clip(1, ".webm")
    with served(study, secret) as game:
        kinds = [game.client.get(f"/practice/{number}").headers["content-type"] for number in range(6)]
        assert kinds == ["video/mp4"] * 5 + ["application/json"]
        assert game.client.get("/practice/-1").status_code == 404
        first = game.client.get("/check/0")
        assert first.headers["content-type"] == "video/mp4"
        assert first.content in {file.read_bytes() for file in study.examples}
        assert game.client.get("/check/2").status_code == 404
    place = study.folder / "practice"
    place.mkdir()
    scored = next(iter(study.clips.values()))
    for number in range(5):
        (place / f"own{number}{scored.suffix}").write_bytes(scored.read_bytes() + bytes([number]))
    with served(open_study(study.folder), secret) as game:
        assert game.client.get("/practice/4").content == scored.read_bytes() + b"\4"
    (place / f"own4{scored.suffix}").write_bytes(scored.read_bytes())
    with pytest.raises(InputError, match=r"the same clip as .* which is scored"):
        open_study(study.folder)
    (place / f"own4{scored.suffix}").unlink()
    with pytest.raises(InputError, match="4 clips; the practice shows 5, add 1"):
        open_study(study.folder)


def test_pages_where_people_left(any_game):
    game = any_game
    for names in (["keyboard"], ["keyboard", "instructions"], ["keyboard", "instructions"], ["ready", "game", "end"]):
        play = game.play()
        for name in names:
            play.request("PUT", "/api/steps/1/page", {"name": name})
    playing = game.play()
    playing.request("PUT", "/api/steps/1/page", {"name": "game"})
    playing.step(1, until=3)
    with game.database.read() as connection:
        assert study_report(connection).last_pages == {"1 keyboard": 1, "1 instructions": 2}
    assert "<th>step 1 instructions (participants)</th><td>2</td>" in game.admin("GET", "/admin").text
    with pytest.raises(GameOver):
        playing.request("PUT", "/api/steps/1/page", {"name": "elsewhere"})


@pytest.mark.parametrize("choice", ["deleted", "kept_out"])
@pytest.mark.parametrize("moment", ["before", "in", "after"])
def test_withdrawing(any_game, choice, moment):
    """The data are gone, or in no table of annotations; counts are free again; nobody comes back in."""
    game = any_game
    game.play().step(1)
    before = counts(game, videos.c.short_count)
    ids = {"platform": "prolific", "platform_id": "5f3a"}
    play = game.play(browser={"os": "Linux"}, language="en", **ids)
    play.request("PUT", "/api/steps/1/practice", {"round": 1, "position": 1, "rt_ms": None})
    if moment != "before":
        play.step(1, until=6 if moment == "in" else None)
    me = play.request("POST", "/api/withdraw", {"data": choice}).json()
    assert (me["stage"], me["data"], me["completed"]) == ("withdrawn", choice, [])
    assert play.me() == me
    assert play.request("POST", "/api/withdraw", {"data": "deleted"}).json()["data"] == choice
    with pytest.raises(GameOver, match="over"):
        play.step(1)
    assert counts(game, videos.c.short_count) == before
    stranger = ClientConnection(game.client)
    assert stranger.send("POST", "/api/arrive", ids).json()["stage"] == "withdrawn"
    with game.database.read() as connection:
        person = connection.execute(select(participants).where(participants.c.platform == "prolific")).one()
        kept = [
            len(connection.execute(select(table).where(table.c.participant_id == person.id)).all())
            for table in (steps, showings, practice)
        ]
        report = study_report(connection)
    assert person.withdrawn == choice
    expected = [0, 0, 0] if choice == "deleted" else [int(moment != "before"), 14 * (moment != "before"), 1]
    assert kept == expected
    assert person.browser == ({} if choice == "deleted" else {"os": "Linux"})
    assert report.withdrawn == {choice: 1}
    assert len(rows(game, "annotations")) == 14
    assert rows(game, "practice") == []
    listed = [row["withdrawn"] for row in rows(game, "participants")]
    assert sorted(listed) == sorted(["", choice])


def test_who_withdraws_is_paid_as_the_settings_say(clips, tmp_path):
    codes = {"withdrawn": "CW", "declined": "CD", "step1_passed": "C1"}
    study, secret = make_study(tmp_path / "study", clips, settings=replace(FAST, codes=codes))
    with served(study, secret) as game:
        play = game.play(platform="prolific", platform_id="5f3a")
        play.step(1)
        me = play.request("POST", "/api/withdraw", {"data": "kept_out"}).json()
        link = "https://app.prolific.com/submissions/complete?cc="
        assert me["completed"] == [{"step": None, "code": "CW", "link": f"{link}CW"}]
        assert game.client.get("/api/study").json()["declined"] == {"code": "CD", "link": f"{link}CD"}
        assert [row["step1_code"] for row in rows(game, "participants")] == ["CW"]


def test_a_database_of_before_goes_on(clips, tmp_path):
    """A study of the former version, in the middle of step 1."""
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    with served(study, secret) as game:
        play = game.play()
        play.step(1, until=5)
    database = Database(study.database_url)
    with database.write() as connection:
        command.downgrade(alembic(connection), "0004")
    database.close()
    with closing(sqlite3.connect(study.folder / "study.db")) as connection:
        names = {row[1] for row in connection.execute("pragma table_info(participants)")}
    assert "withdrawn" not in names
    with served(study, secret, clock=game.clock) as again:
        play.connection.client = again.client
        play.step(1)
        assert play.me()["stage"] == "waiting"
        assert len(rows(again, "annotations")) == 14


def test_a_study_without_new_folders_and_settings_opens(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips)
    text = (study.folder / "study.yaml").read_text()
    old = "title: Video memory game\nconsent: |\n  Old text\n"
    (study.folder / "study.yaml").write_text(old)
    design = (study.folder / "design.yaml").read_text()
    (study.folder / "design.yaml").write_text(design.partition("practice:")[0])
    again = open_study(study.folder)
    assert again.design == replace(study.design, practice=Practice(0, 0))  # whoever played before did not practise
    assert again.settings.languages == ("en",)
    assert "languages" in text


def test_a_clip_of_another_size_is_another_clip(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips)
    (study.folder / "practice").mkdir()
    for number in range(5):
        write_clip(
            study.folder / "practice" / f"{number}.webm", [np.full((48, 64, 3), 200 + number, dtype=np.uint8)] * 3
        )
    assert len(open_study(study.folder).practice) == 5
