"""Recruiting: returners in any browser, quota and dates, completion codes of each outcome, ids that can be read."""

import csv
import json
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.protocol.conftest import FAST
from tests.protocol.play import GameOver, Play
from tests.protocol.served import Attentive, ClientConnection, make_study, served
from videomem_hf.protocol.server.completion import completion_of
from videomem_hf.protocol.server.database import participants
from videomem_hf.protocol.server.export import invitee_lines, participant_lines
from videomem_hf.protocol.server.game import Game
from videomem_hf.protocol.server.recruiting import PLATFORMS
from videomem_hf.protocol.server.settings import OUTCOMES, StudySettings
from videomem_hf.protocol.server.tokens import seal, unseal
from videomem_hf.schema import InputError

ID = "5f3a9c0e1b2d4e5f6a7b8c9d"
LIMITS = {"joins_per_minute": 10_000, "requests_per_second": 10_000}


@contextmanager
def recruiting(clips, folder, **settings):
    study, secret = make_study(folder / "study", clips, settings=StudySettings(**LIMITS, **settings))
    with served(study, secret) as game:
        yield game


def arrive(game, identity, platform="prolific", connection=None):
    """Someone comes from a platform in a browser of their own: the connection, and what the server says."""
    connection = connection or ClientConnection(game.client)
    reply = connection.send("POST", "/api/arrive", {"platform": platform, "platform_id": identity})
    assert reply.status == 200
    return connection, reply.json()


def again(game, connection, player=None):
    return Play(connection, game.names, player or Attentive(), sleep=game.clock.sleep)


def rows(lines):
    return list(csv.DictReader("".join(lines).splitlines()))


def test_a_returner_goes_on_in_another_browser(any_game):
    first = any_game.play(platform="prolific", platform_id=ID)
    first.step(1, until=6)
    connection, stage = arrive(any_game, ID)
    assert (stage["stage"], stage["next"]) == ("playing", 6)
    second = again(any_game, connection, first.player)
    second.step(1)
    assert second.me()["stage"] == "waiting"
    with pytest.raises(GameOver, match="unknown"):
        first.step(1)
    _, early = arrive(any_game, ID)
    assert early["stage"] == "waiting"
    assert early["opens_ms"] - early["now_ms"] == 24 * 3_600_000
    any_game.clock.sleep(25 * 3600)
    connection, stage = arrive(any_game, ID)
    assert (stage["stage"], stage["step"]) == ("ready", 2)
    again(any_game, connection, first.player).step(2)
    _, twice = arrive(any_game, ID)
    assert twice["stage"] == "finished"


def test_another_person_at_the_same_computer_is_new(game):
    first = game.play(platform="prolific", platform_id=ID)
    first.step(1)
    connection = ClientConnection(game.client, dict(first.connection.cookies))
    _, stage = arrive(game, "another", connection=connection)
    assert stage == {"stage": "new"}
    _, other_platform = arrive(game, ID, platform="sona")
    assert other_platform == {"stage": "new"}


def test_dates_and_quota_each_have_their_stage(clips, tmp_path):
    # The tests' clock starts at 2027-01-15T08:00Z.
    times = {"opens": "2027-01-15T10:00+01:00", "closes": "2027-01-15T12:00+00:00"}
    with recruiting(clips, tmp_path, **times, participants_max=2) as game:
        assert ClientConnection(game.client).send("GET", "/api/me").json() == {"stage": "not_open"}
        with pytest.raises(GameOver, match="not_open"):
            game.play()
        game.clock.sleep(3600)
        leaves, plays = game.play(), game.play(platform="mturk", platform_id="A1")
        leaves.step(1, until=3)
        plays.step(1)
        assert arrive(game, "A2", "mturk")[1] == {"stage": "full"}
        game.clock.sleep(660)
        assert leaves.me()["stage"] == "closed"
        assert arrive(game, "A2", "mturk")[1] == {"stage": "new"}
        game.clock.sleep(5 * 3600)
        assert arrive(game, "A2", "mturk")[1] == {"stage": "study_closed"}
        _, stage = arrive(game, "A1", "mturk", plays.connection)
        assert stage["stage"] == "waiting"
        game.clock.sleep(24 * 3600)
        plays.step(2)
        assert plays.me()["stage"] == "finished"


def test_each_outcome_has_its_code_and_no_other_is_told(clips, tmp_path):
    codes = {outcome: f"CODE{number:02}" for number, outcome in enumerate(OUTCOMES)}
    with recruiting(clips, tmp_path, codes=codes) as game:
        people = {}
        for name, right in (("passed", True), ("failed", False)):
            people[name] = game.play(Attentive(right), platform="prolific", platform_id=name)
            people[name].step(1)
        people["abandoned"] = game.play(platform="prolific", platform_id="abandoned")
        people["abandoned"].step(1, until=3)
        game.clock.sleep(1000)
        told = {name: play.me()["completed"] for name, play in people.items()}
        for name, completed in told.items():
            assert [(entry["code"], entry["link"]) for entry in completed] == [
                (codes[f"step1_{name}"], f"https://app.prolific.com/submissions/complete?cc={codes[f'step1_{name}']}")
            ]
        game.clock.sleep(25 * 3600)
        people["passed"].step(2)
        last = json.dumps(people["passed"].me())
        assert codes["step2_passed"] in last
        assert codes["step1_passed"] not in last
        facts = people["passed"].request("GET", "/api/study").json()
        strangers = {codes[name] for name in ("screened_out", "declined")}
        assert {facts[name]["code"] for name in ("screened_out", "declined")} == strangers
        assert not [code for code in codes.values() if code not in strangers and code in json.dumps(facts)]
        with game.database.read() as connection:
            table = {
                row["step1_outcome"]: row
                for row in rows(participant_lines(connection, game.study.settings, game.study.key))
            }
        assert {name: row["step1_code"] for name, row in table.items()} == {
            name: codes[f"step1_{name}"] for name in people
        }


def test_codes_of_ones_own_differ_by_outcome(game):
    good, bad = game.play(), game.play(Attentive(right=False))
    good.step(1)
    bad.step(1)
    found = [play.me()["completed"][0] for play in (good, bad)]
    assert all(re.fullmatch("[0-9A-Z]{10}", entry["code"]) for entry in found)
    with game.database.read() as connection:
        person = connection.execute(select(participants)).first()
    row = type("Row", (), {"step": 1, "state": "completed", "passed": True})
    failed = type("Row", (), {"step": 1, "state": "completed", "passed": False})
    codes = {completion_of(game.study.settings, game.study.key, person, each).code for each in (row, failed)}
    assert len(codes) == 2


def test_a_credit_link_of_sona_has_the_survey_code(clips, tmp_path):
    url = "https://uni.sona-systems.com/webstudy_credit.aspx?experiment_id=1&credit_token=abc&survey_code={platform_id}"
    with recruiting(clips, tmp_path, completion_url=url) as game:
        play = game.play(platform="sona", platform_id="4711")
        play.step(1)
        assert play.me()["completed"][0]["link"].endswith("&survey_code=4711")


def test_the_platforms_study_and_session_are_kept_per_step(any_game):
    play = any_game.play(platform="prolific", platform_id=ID)
    for step in (1, 2):
        visit = {"study_id": f"study{step}", "session_id": f"=session{step}"}
        play.request("POST", f"/api/steps/{step}/begin", {"page": play.page, **visit})
        play.step(step)
        any_game.clock.sleep(25 * 3600)
    with any_game.database.read() as connection:
        (row,) = rows(participant_lines(connection, any_game.study.settings, any_game.study.key))
    assert (row["step1_study_id"], row["step2_study_id"]) == ("study1", "study2")
    assert row["step2_session_id"] == "'=session2"


def test_invitees_are_those_who_passed_with_readable_ids(any_game):
    for identity, right in (("one", True), ("two", False), ("three", True)):
        play = any_game.play(Attentive(right), platform="prolific", platform_id=identity)
        play.step(1)
    any_game.clock.sleep(25 * 3600)
    play.step(2, until=2)
    game = Game(any_game.study.design, FAST)
    with any_game.database.read() as connection:
        (row,) = rows(invitee_lines(connection, game, any_game.study.key))
        stored = connection.execute(select(participants)).all()
    assert (row["platform"], row["platform_id"]) == ("prolific", "one")
    assert row["opens"] < row["closes"]
    assert not any(name in str(person) for person in stored for name in ("'one'", "'two'", "'three'"))


def test_what_is_sealed_opens_with_its_key_alone() -> None:
    key, other = "01" * 32, "02" * 32
    for text in ("", "A1WORKER", "ä" * 100):
        sealed = seal(key, text)
        assert unseal(key, sealed) == text
        assert seal(key, text) != sealed
        for wrong_key, wrong in ((other, sealed), (key, sealed[:-2] + ("00" if sealed[-2:] != "00" else "01"))):
            with pytest.raises(InputError, match="another key"):
                unseal(wrong_key, wrong)


def test_the_page_and_the_documentation_know_every_platform() -> None:
    package = Path(__file__).parents[2]
    script = (package / "videomem_hf/protocol/server/static/page.js").read_text()
    block = script.split("const PLATFORM_NAMES = {")[1].split("};")[0]
    assert re.findall(r"^  (\w+): \[", block, re.M) == list(PLATFORMS)
    text = (package / "docs/recruiting.md").read_text()
    names = re.findall(r'"(\w+)"', block)
    assert len(names) == 15
    assert all(f"{name}=" in text or f"`{name}`" in text for name in names if name not in {"experiment_id"})
    assert all(f"`{outcome}`" in text for outcome in OUTCOMES)
