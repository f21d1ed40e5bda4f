"""Attacks on the interface: what a participant could learn, reach or overload, and what is kept of them."""

import json
import logging
import sqlite3
from types import SimpleNamespace

import pytest

from tests.protocol.conftest import FAST
from tests.protocol.play import Reply, unpad_clip
from tests.protocol.served import Attentive, ClientConnection, make_study, served
from tests.protocol.test_server_game import begin, counts, refusal, respond
from videomem_hf.protocol.server import limits
from videomem_hf.protocol.server.clips import pad_clip
from videomem_hf.protocol.server.database import videos
from videomem_hf.protocol.server.export import participant_lines
from videomem_hf.protocol.server.limits import RateLimit
from videomem_hf.protocol.server.settings import Question, StudySettings
from videomem_hf.protocol.server.tokens import normalise_code

PROLIFIC_ID = "5f3a9c0e1b2d4c6a7e8f9012"


class Recorder(ClientConnection):
    """Keeps all that the server says."""

    def send(self, method, path, body=None):
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies)
        reply = self.client.request(method, path, json=body)
        self.replies = [*getattr(self, "replies", []), reply]
        return Reply(reply.status_code, reply.content, reply.headers.get("x-clip-proof", ""))


def test_nothing_reveals_which_showing_repeats(game):
    play = game.play()
    play.connection = Recorder(game.client, dict(play.connection.cookies))
    play.step(1)
    replies = play.connection.replies
    told = [reply.json() for reply in replies if reply.headers["content-type"] == "application/json"]
    assert len(told) == 15
    assert {name for content in told for name in content} == {"next", "showings"}
    clips = [reply for reply in replies if "/clips/" in reply.url.path]
    assert len(clips) == 14
    by_video = {}
    for reply in clips:
        by_video.setdefault(game.names.of(reply.content), []).append(reply)
        hidden = {"etag", "last-modified", "content-disposition", "accept-ranges"}
        assert not hidden & set(reply.headers)
        assert reply.headers["cache-control"] == "no-store"
        assert "video" not in reply.url.path
    repeated = [pair for pair in by_video.values() if len(pair) == 2]
    assert len(repeated) == 5
    for first, second in repeated:
        assert len(first.content) != len(second.content)


def test_padding_varies_and_comes_off(clips):
    for file in sorted(clips.iterdir())[:2]:
        content = file.read_bytes()
        sizes = {len(pad_clip(content, file.suffix)) for _ in range(50)}
        assert len(sizes) > 40
        assert unpad_clip(pad_clip(content, file.suffix)) == content


def test_clips_are_given_for_the_next_showings_only(game):
    play = game.play()
    begin(play)
    ahead = game.study.settings.clips_ahead
    status = [play.connection.send("GET", f"/api/steps/1/clips/{position}").status for position in range(1, 15)]
    assert status == [200] * (ahead + 1) + [409] * (13 - ahead)
    play.step(1, until=4)
    assert refusal(play, "GET", "/api/steps/1/clips/3") == "not_yet"
    assert refusal(play, "GET", "/api/steps/2/clips/1") == "not_started"
    stranger = ClientConnection(game.client, {"participant": "x" * 43})
    assert stranger.send("GET", "/api/steps/1/clips/4").status == 401
    assert ClientConnection(game.client).send("GET", "/api/steps/1/clips/4").status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/static/../study.py",
        "/static/%2e%2e/study.py",
        "/static/..%2f..%2fgame.py",
        "/static//etc/passwd",
        "/examples/../secrets.json",
        "/examples/-1",
        "/examples/2",
        "/examples/0%00",
        "/api/steps/1/clips/../../../secrets.json",
        "/api/steps/1/clips/%2e%2e%2fstudy.db",
        "/api/steps/3/clips/1",
        "/api/steps/1/clips/0",
        "/api/steps/1/clips/1e3",
        "/study.db",
        "/secrets.json",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_elsewhere(game, path):
    play = game.play()
    begin(play)
    reply = play.connection.send("GET", path)
    assert reply.status in {401, 404, 422}
    assert game.study.key.encode() not in reply.content


def test_the_experimenters_pages_need_the_secret(game):
    for path in ("/admin", "/admin/annotations.csv", "/admin/participants.csv"):
        assert game.client.get(path).status_code == 401
        assert game.client.get(path).headers["www-authenticate"].startswith("Basic")
        assert game.admin("GET", path).status_code == 200
    name = game.play().me()["participant"]
    assert game.client.post("/admin/delete", json={"participant": name}).status_code == 401
    assert game.client.get("/admin", auth=("root", game.secret)).status_code == 401
    wrong = [game.admin("GET", "/admin", secret=f"wrong {number}").status_code for number in range(15)]
    assert set(wrong[:9]) == {401}
    assert wrong[-1] == 429
    assert game.client.get("/admin", headers={"authorization": "Basic ???"}).status_code in {401, 429}


def test_requests_from_other_pages_and_too_long_ones_are_refused(game):
    client = game.client
    body = {"consent": True}
    assert client.post("/api/participants", json=body, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post("/api/participants", json=body, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/api/participants", json=body, headers={"origin": "http://testserver"}).status_code == 200
    assert client.post("/api/participants", content=b"x" * 20_000).status_code == 413
    assert client.post("/api/participants", content=iter([b"{}"])).status_code == 411


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"consent": False},
        {"consent": True, "role": "admin"},
        {"consent": True, "platform": "other", "platform_id": "x"},
        {"consent": True, "platform": "mturk", "platform_id": "x" * 200},
        {"consent": True, "demographics": {"age": "30"}},
        {"consent": True, "browser": {"width": float("1e999")}},
    ],
)
def test_wrong_bodies_are_refused_without_repeating_them(game, body):
    reply = game.client.post(
        "/api/participants", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert reply.status_code == 422
    assert set(reply.json()) == {"error", "message"}


@pytest.mark.parametrize(
    "body", ["[]", "null", "{", '{"page": 1}', '{"page": "aaaaaaaaaaaaaaaa", "rt_ms": NaN, "age_ms": 0}']
)
def test_broken_responses_are_refused(game, body):
    play = game.play()
    begin(play)
    game.clock.sleep(10)
    game.client.cookies.update(play.connection.cookies)
    headers = {"content-type": "application/json"}
    assert game.client.put("/api/steps/1/showings/1", content=body, headers=headers).status_code == 422
    assert respond(play, 1, 1).status == 200


def test_every_reply_tells_browsers_what_to_refuse(game):
    for path in ("/", "/static/page.js", "/api/study", "/examples/0", "/nothing", "/admin"):
        headers = game.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
    cookie = game.client.post("/api/participants", json={"consent": True}).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict"} <= set(cookie.split("; "))
    assert "secure" not in cookie
    secure = game.client.post("https://testserver/api/participants", json={"consent": True}).headers["set-cookie"]
    assert "secure" in secure.lower()


def test_tokens_codes_and_ids_are_not_in_the_files(game):
    play = game.play(platform="prolific", platform_id=PROLIFIC_ID)
    play.step(1)
    token, code = play.connection.cookies["participant"], play.me()["return_code"]
    with sqlite3.connect(game.study.folder / "study.db") as connection:
        text = "\n".join(connection.iterdump())
    assert play.me()["participant"] in text
    everything = b"".join(file.read_bytes() for file in game.study.folder.rglob("*") if file.is_file()) + text.encode()
    for secret in (token, code, code.replace("-", ""), PROLIFIC_ID, game.secret):
        assert len(secret) >= 16
        assert secret.encode() not in everything


def test_logs_hold_nothing_personal(game, caplog):
    with caplog.at_level(logging.DEBUG, logger="videomem_hf"), caplog.at_level(logging.DEBUG, logger="uvicorn"):
        play = game.play(platform="mturk", platform_id="A1WORKER")
        play.step(1, until=4)
    text = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert "A1WORKER" not in text
    assert play.connection.cookies["participant"] not in text


def test_a_return_code_lets_in_on_another_computer(game):
    play = game.play()
    play.step(1)
    code = play.me()["return_code"]
    assert len(code) == 19
    elsewhere = ClientConnection(game.client)
    wrong = elsewhere.send("POST", "/api/return", {"code": "0000-0000-0000-0000"})
    assert (wrong.status, wrong.json()["error"]) == (404, "unknown_code")
    typed = f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    assert elsewhere.send("POST", "/api/return", {"code": typed}).json()["stage"] == "waiting"
    assert normalise_code(typed) == code
    assert play.me() == {"stage": "new"}
    game.clock.sleep(25 * 3600)
    third = ClientConnection(game.client)
    assert third.send("POST", "/api/return", {"code": code}).json()["stage"] == "ready"
    play.connection = third
    play.step(2)
    assert play.me()["stage"] == "finished"


def test_everyone_takes_part_once(game):
    game.play(platform="prolific", platform_id=PROLIFIC_ID)
    again = ClientConnection(game.client)
    fields = {"consent": True, "platform": "prolific", "platform_id": PROLIFIC_ID}
    assert again.send("POST", "/api/participants", fields).json()["error"] == "took_part"
    assert again.send("POST", "/api/participants", fields | {"platform": "mturk"}).status == 200


@pytest.mark.parametrize(("kept", "stored"), [("hashed", False), ("encrypted", False), ("plain", True)])
def test_platform_ids_and_codes_as_configured(clips, tmp_path, kept, stored):
    question = Question("age", "Your age", ("under 30", "30 or over"))
    settings = StudySettings(participant_ids=kept, prolific_code_step1="CABCDEF1", demographics=(question,))
    study, secret = make_study(tmp_path / "study", clips, settings=settings)
    with served(study, secret) as game:
        prolific = game.play(platform="prolific", platform_id=PROLIFIC_ID, demographics={"age": "under 30"})
        turk = game.play(platform="mturk", platform_id="=A1()")
        for play in (prolific, turk):
            play.step(1)
        table = game.admin("GET", "/admin/participants.csv").text
        entry = prolific.me()["completed"][0]
        assert entry["code"] == "CABCDEF1"
        assert entry["link"].endswith("cc=CABCDEF1")
        assert turk.me()["completed"][0]["code"] in table
        assert (PROLIFIC_ID in table) == stored
        assert ("'=A1()" in table) == stored
        assert "under 30" in table
        with game.database.read() as connection:
            assert "".join(participant_lines(connection, settings, study.key)) == table


def test_too_many_requests_have_to_wait(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))  # no refill, however long requests take
    study, secret = make_study(
        tmp_path / "study", clips, settings=StudySettings(joins_per_minute=3, requests_per_second=2)
    )
    with served(study, secret) as game:
        status = [game.client.post("/api/participants", json={"consent": True}).status_code for _ in range(5)]
        assert status == [200, 200, 200, 429, 429]
        codes = [game.client.post("/api/return", json={"code": "0"}).status_code for _ in range(2)]
        assert codes == [429, 429]
        status = [game.client.get("/api/me") for _ in range(12)]
        assert [reply.status_code for reply in status] == [200] * 10 + [429] * 2
        assert status[-1].json()["wait_ms"] > 0
        assert int(status[-1].headers["retry-after"]) >= 1


def test_a_rate_limit_refills_steadily_and_forgets():
    now = [0.0]
    limit = RateLimit(2, 10.0, lambda: now[0])
    assert [limit.wait_s("a") for _ in range(3)] == [0, 0, 5]
    assert limit.wait_s("b") == 0
    now[0] = 5.0
    assert [limit.wait_s("a") for _ in range(2)] == [0, 5]
    now[0] = 100.0
    for number in range(10_001):
        limit.wait_s(str(number))
    now[0] = 200.0
    limit.wait_s("one more")
    assert len(limit._left) <= 2


def test_deletion_leaves_nothing_of_a_participant(game):
    stays, goes = game.play(), game.play(Attentive(), platform="mturk", platform_id="A1WORKER")
    for play in (stays, goes):
        play.step(1)
    name = goes.me()["participant"]
    wrong = game.admin("POST", "/admin/delete", json={"participant": "p0000000000"})
    assert wrong.status_code == 404
    assert game.admin("POST", "/admin/delete", json={"participant": name}).json() == {"responses": 14}
    assert goes.me() == {"stage": "new"}
    assert stays.me()["stage"] == "waiting"
    assert sum(counts(game, videos.c.short_count).values()) == 3
    game.database.close()
    with sqlite3.connect(game.study.folder / "study.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert name.encode() not in (game.study.folder / "study.db").read_bytes()


def test_limits_of_the_tests_are_not_the_defaults():
    assert StudySettings().joins_per_minute < FAST.joins_per_minute
