"""An adaptive study that is served: it stops by itself, survives kills and withdrawals, and can be replayed."""

import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from alembic import command
from sqlalchemy import text
from typer.testing import CliRunner

from tests.protocol.conftest import FAST
from tests.protocol.play import ClipNames, GameOver, HttpConnection, Play
from tests.protocol.served import HOUR_MS, SHORT, ClientConnection, make_study, served
from tests.protocol.test_server_database import SERVER, Quick, alembic
from videomem_hf.cli import app
from videomem_hf.protocol.assignment.log import replay
from videomem_hf.protocol.assignment.policy import reliability
from videomem_hf.protocol.design import Assignment, Presentation, save_design
from videomem_hf.protocol.server.assignment import log_lines, read_tallies
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.deletion import delete_participant
from videomem_hf.protocol.server.study import open_study
from videomem_hf.schema import InputError

ADAPTIVE = replace(SHORT, assignment=Assignment("adaptive", short_term_reliability=0.5))


class Remembers:
    """Recognises videos of even numbers for ever, others for two showings."""

    def __init__(self):
        self.position, self.last = 0, {}

    def respond(self, video, step=1, hours=24.0):
        self.position += 1
        lag = self.position - self.last[video] if video in self.last else None
        self.last[video] = self.position
        return 1000.0 if lag is not None and (lag <= 2 or int(video.removeprefix("video")) % 2 == 0) else None


def decisions(database, design=ADAPTIVE):
    with database.read() as connection:
        lines = list(log_lines(connection, design))
    found = list(replay(lines))
    assert [each.stored for each in found] == [each.recomputed for each in found]
    return found, lines


@pytest.fixture
def study(clips, tmp_path):
    return make_study(tmp_path / "study", clips, design=ADAPTIVE, settings=FAST)


def test_a_study_stops_at_the_reliability_and_is_replayed(study, tmp_path):
    with served(*study) as game:
        plays = []
        with pytest.raises(GameOver, match="full"):
            for _ in range(40):
                plays.append(game.play(Remembers()))
                plays[-1].step(1)
        assert 5 < len(plays) < 20
        with game.database.read() as connection:
            _, tallies = read_tallies(connection)
        short = tallies["short_term"]
        assert reliability(short) >= 0.5
        assert short.given.sum() == short.counts.sum() == 3 * len(plays)
        assert short.given.min() > 0
        game.clock.ms += 25 * HOUR_MS
        plays[0].step(2)
        stranger = Play(ClientConnection(game.client), game.names, Remembers(), sleep=game.clock.sleep)
        assert stranger.me()["stage"] == "full"
    with served(*study) as game:  # after a restart
        found, lines = decisions(game.database)
        assert [each.step for each in found] == [1] * len(plays) + [2]
    (tmp_path / "log.jsonl").write_text("".join(lines))
    for source in (study[0].folder, tmp_path / "log.jsonl"):
        result = CliRunner().invoke(app, ["study", "replay", str(source)])
        assert f"{len(found)} decisions recomputed, all as stored" in result.output, result.output
        assert ("--decisions decisions.jsonl" in result.output) == source.is_dir()
    for change in ({"seed": "1"}, {"reliability": {"short_term": 0.9, "long_term": 0.0}}):
        changed = [json.loads(line) for line in lines]
        changed[1] |= change
        (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        result = CliRunner().invoke(app, ["study", "replay", str(tmp_path / "log.jsonl")])
        assert isinstance(result.exception, InputError)
        assert "differ; the first is line 2" in str(result.exception)


def test_a_damaged_log_is_an_error_with_its_line(study):
    with served(*study) as game:
        game.play().step(1)
        _, lines = decisions(game.database)
    with pytest.raises(InputError, match="Line 2 of the log"):
        list(replay([lines[0], "{}"]))


def test_a_database_of_before_is_migrated_in_the_middle_of_a_game(study):
    """Who may still return is counted; decisions by the rule of before are not taken for those of this one."""
    with served(*study) as game:
        plays = [game.play(Remembers()) for _ in range(5)]
        for play in plays[:4]:
            play.step(1)
        plays[4].step(1, until=5)
        plays[2].request("POST", "/api/withdraw", {"data": "kept_out"})
        plays[3].request("POST", "/api/withdraw", {"data": "deleted"})
        game.clock.ms += 25 * HOUR_MS
        plays[0].step(2, until=3)
        plays.append(game.play(Remembers()))
        plays[-1].step(1, until=5)
        with game.database.read() as connection:
            before = read_tallies(connection)[1]["long_term"].waiting.tolist()
        assert sum(before) == 2 * 4
        now, states = game.clock, [(play.connection.cookies, play.page) for play in plays]
        with game.database.write() as connection:
            command.downgrade(alembic(connection), "0006")
            connection.execute(text("update assignments set content = json_remove(content, '$.gone')"))
    with served(*study, clock=now) as game:
        with game.database.read() as connection:
            assert read_tallies(connection)[1]["long_term"].waiting.tolist() == before
        again = game.play(Remembers())
        again.connection.cookies, again.page = states[0]
        again.step(2)
        assert again.me()["stage"] == "finished"
        with game.database.read() as connection, pytest.raises(InputError, match="earlier version of this package"):
            list(replay(log_lines(connection, ADAPTIVE)))


@pytest.mark.parametrize(
    "change", [{"design": "a text"}, {"design": []}, {"sign": 10**30}, {"sign": "x"}, {"step": 3}, {"hits": None}]
)
def test_an_edited_log_is_an_error_with_its_line(study, change):
    with served(*study) as game:
        game.play().step(1)
        _, lines = decisions(game.database)
    number = next(index for index, line in enumerate(lines) if change.keys() & json.loads(line).keys())
    number = len(lines) - 1 if "sign" in change else number
    lines[number] = json.dumps(json.loads(lines[number]) | change)
    with pytest.raises(InputError, match=f"Line {number + 1} of the log"):
        list(replay(lines))


def test_a_log_that_is_no_text_is_an_error_with_its_line(study, tmp_path):
    with served(*study) as game:
        _, lines = decisions(game.database)
    (tmp_path / "log.jsonl").write_bytes(lines[0].encode() + b"\xff\n")
    result = CliRunner().invoke(app, ["study", "replay", str(tmp_path / "log.jsonl")])
    assert isinstance(result.exception, InputError)


def test_a_design_changed_before_the_first_participant_starts_a_new_log(study):
    """Whoever tried the study is deleted, and their decisions were made by the former design."""
    with served(*study) as game:
        play = game.play()
        play.step(1)
        with game.database.write() as connection:
            delete_participant(connection, play.me()["participant"])
    changed = replace(study[0].design, step2=replace(study[0].design.step2, delay_min_h=1.0), step1=replace(
        study[0].design.step1, targets=2, fillers=5))  # fmt: skip
    save_design(changed, study[0].folder / "design.yaml")
    with served(open_study(study[0].folder)) as game:
        game.play().step(1)
        assert len(decisions(game.database, changed)[0]) == 1


def test_those_who_leave_or_withdraw_free_their_videos(study):
    with served(*study) as game:
        gone, kept, deleted, withdrawn = (game.play(Remembers()) for _ in range(4))
        gone.step(1, until=5)
        for play in (kept, deleted, withdrawn):
            play.step(1)
        name = deleted.me()["participant"]
        withdrawn.request("POST", "/api/withdraw", {"data": "deleted"})
        with game.database.write() as connection:
            delete_participant(connection, name)
        game.clock.ms += HOUR_MS
        game.play(Remembers()).step(1, until=2)
        with game.database.read() as connection:
            _, tallies = read_tallies(connection)
        assert tallies["short_term"].given.sum() == 3
        assert tallies["short_term"].counts.sum() == 6
        found, lines = decisions(game.database)
        assert len(found) == 5
        assert sum(not each.participant for each in found) == 2
        assert name not in "".join(lines)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_participants_at_once_get_videos_one_after_another(kind, request, study):
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    with served(*study, url=url) as game:
        plays = [game.play(Remembers()) for _ in range(8)]
        threads = [threading.Thread(target=play.step, args=(1,), kwargs={"until": 2}) for play in plays]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with game.database.read() as connection:
            _, tallies = read_tallies(connection)
        assert tallies["short_term"].counts.tolist() == [2] * 12
        waiting = tallies["long_term"].waiting  # 8 participants with 4 fillers, of 12 videos
        assert sorted(waiting.tolist()) == [2] * 4 + [3] * 8
        assert len(decisions(game.database)[0]) == 8


def test_who_leaves_or_returns_waits_no_more(study):
    """Long-term counts to come are those of people who may still return."""
    with served(*study) as game:
        gone, kept, deleted = (game.play(Remembers()) for _ in range(3))
        gone.step(1, until=5)
        kept.step(1)
        deleted.step(1)

        def waiting():
            with game.database.read() as connection:
                return read_tallies(connection)[1]["long_term"].waiting.sum()

        assert waiting() == 3 * 4
        with game.database.write() as connection:
            delete_participant(connection, deleted.me()["participant"])
        assert waiting() == 2 * 4
        game.clock.ms += 25 * HOUR_MS
        kept.step(2)  # closes the step that was left
        assert waiting() == 0
        with game.database.write() as connection:
            delete_participant(connection, kept.me()["participant"])
        assert waiting() == 0
        decisions(game.database)


def test_a_killed_server_goes_on_with_the_same_decisions(clips, tmp_path):
    design = replace(ADAPTIVE, presentation=Presentation(window_s=0.2, gap_s=0.05))
    study, _ = make_study(tmp_path / "study", clips, design=design, settings=FAST)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(study.folder), str(port), ""]
    server = subprocess.Popen(command)
    try:
        names = ClipNames(study.clips.values())
        plays = [Play(HttpConnection(f"http://127.0.0.1:{port}"), names, Quick()) for _ in range(2)]
        for play in plays:
            play.join()
            play.step(1, until=4)
        server.kill()
        server.wait()
        server = subprocess.Popen(command)
        for play in plays:
            play.step(1)
    finally:
        server.kill()
        server.wait()
    database = Database(study.database_url)
    assert len(decisions(database, design)[0]) == 2
    with database.read() as connection:
        assert read_tallies(connection)[1]["short_term"].given.sum() == 6
    database.close()
