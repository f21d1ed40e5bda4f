"""The served game through its interface, with the clock moved: what is stored, what is refused, what is freed."""

import csv
import threading
from collections import Counter

import numpy as np
import pytest
from sqlalchemy import select

from tests.protocol.conftest import FAST
from tests.protocol.play import GameOver, Play
from tests.protocol.served import HOUR_MS, SHORT, Attentive, ClientConnection
from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.annotations import MISSING_REASONS
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.protocol.screening import screen
from videomem_hf.protocol.server.database import showings, videos
from videomem_hf.protocol.server.export import annotation_lines, participant_lines
from videomem_hf.protocol.server.game import Game
from videomem_hf.protocol.server.report import study_report

PAGE = "a page of a test"


def counts(game, column):
    with game.database.read() as connection:
        return dict(connection.execute(select(videos.c.name, column)).all())


def recount(game, step):
    """Annotations per video that are given or under way, from the showings and the steps' ends alone."""
    with game.database.read() as connection:
        standing = study_report(connection)
    kind = {1: "short", 2: "long"}[step]
    return {
        video.name: getattr(video, f"{kind}_given") + getattr(video, f"{kind}_underway") for video in standing.videos
    }


def standing(game):
    with game.database.read() as connection:
        return study_report(connection)


def exported(game, tmp_path):
    path = tmp_path / "annotations.csv"
    with game.database.read() as connection:
        path.write_text("".join(annotation_lines(connection)))
    return read_annotations([path])


def refusal(play, *request):
    with pytest.raises(GameOver) as caught:
        play.request(*request)
    return caught.value.code


def respond(play, step, position, rt_ms=None, age_ms=0, **more):
    if (step, position) not in play.proofs:
        play.proofs[step, position] = play.connection.send("GET", f"/api/steps/{step}/clips/{position}").proof
    body = {"page": play.page, "rt_ms": rt_ms, "age_ms": age_ms, "proof": play.proofs[step, position], **more}
    return play.connection.send("PUT", f"/api/steps/{step}/showings/{position}", body)


def begin(play, step=1):
    return play.request("POST", f"/api/steps/{step}/begin", {"page": play.page}).json()


def test_a_study_from_consent_to_export(any_game, tmp_path):
    plays = [any_game.play() for _ in range(3)]
    for play in plays:
        play.step(1)
        assert play.me()["stage"] == "waiting"
    any_game.clock.sleep(30 * 3600)
    for play in plays[:2]:
        assert play.me()["stage"] == "ready"
        play.step(2)
        assert play.me()["stage"] == "finished"
        assert [entry["step"] for entry in play.me()["completed"]] == [2]
    table = exported(any_game, tmp_path)
    assert len(table) == 3 * 14 + 2 * 6
    names = [play.me()["participant"] for play in plays]
    for row in range(len(table)):
        play = plays[names.index(table.participants[table.participant[row]])]
        step, position = int(table.step[row]), int(table.position[row])
        video, rt_ms = play.responses[step, position]
        before = [seen for showing, (seen, _) in play.responses.items() if showing < (step, position)]
        assert table.videos[table.video[row]] == video
        assert table.repeat[row] == (video in before)
        assert table.pressed[row] == (rt_ms is not None) == table.repeat[row]
        assert np.isnan(table.rt_ms[row]) if rt_ms is None else table.rt_ms[row] == rt_ms
        if step == 2 and video in before:
            assert Counter(seen for (at, _), (seen, _) in play.responses.items() if at == 1)[video] == 1
    gaps = np.diff(table.time[(table.participant == 0) & (table.step == 1)]).astype(int)
    pressed = table.pressed[(table.participant == 0) & (table.step == 1)][:-1]
    assert (np.abs(gaps - np.where(pressed, 1500, 2500)) <= 1).all()
    now = standing(any_game)
    assert (now.joined, now.steps[1].passed, now.steps[2].passed, now.steps[2].pass_rate) == (3, 3, 2, 1.0)
    assert sum(video.short_given for video in now.videos) == 9
    assert sum(video.long_given for video in now.videos) == 6


def test_step_2_is_open_from_24_to_72_hours_after_step_1(game):
    plays = [game.play() for _ in range(2)]
    assert refusal(plays[0], "POST", "/api/steps/2/begin", {"page": PAGE}) == "not_invited"
    for play in plays:
        play.step(1)
    ended = game.clock.ms
    first = plays[1].me()
    game.clock.ms = first["opens_ms"] - 1
    assert refusal(plays[1], "POST", "/api/steps/2/begin", {"page": PAGE}) == "too_soon"
    game.clock.ms += 1
    assert begin(plays[1], 2)["next"] == 1
    game.clock.ms = first["closes_ms"] + 1
    assert plays[0].me()["stage"] == "late"
    assert refusal(plays[0], "POST", "/api/steps/2/begin", {"page": PAGE}) == "too_late"
    assert first["opens_ms"] == ended + 24 * HOUR_MS
    assert first["closes_ms"] == ended + 72 * HOUR_MS - game.study.settings.pause_max_ms


def test_who_comes_at_the_last_moment_is_within_the_interval(game, tmp_path):
    """The first clip of step 2 may start as late as one longest pause after the step was opened."""
    play = game.play()
    play.step(1)
    game.clock.ms = play.me()["closes_ms"]
    begin(play, 2)
    game.clock.ms += game.study.settings.pause_max_ms - 5000
    play.step(2)
    screening = screen(exported(game, tmp_path), SHORT)
    assert screening.step2.passed.all()
    assert screening.step2.delay_h[0] == pytest.approx(72, abs=0.01)


def test_a_response_sent_again_changes_nothing(any_game, tmp_path):
    play = any_game.play()
    play.step(1, until=3)
    assert respond(play, 1, 2, rt_ms=5.0).json() == {"next": 3}
    assert respond(play, 1, 4, rt_ms=5.0).json()["error"] == "out_of_turn"
    table = exported(any_game, tmp_path)
    assert table.position.tolist() == [1, 2]
    assert not (table.rt_ms == 5.0).any()


def test_the_last_of_two_tabs_plays(game):
    play = game.play()
    play.step(1, until=4)
    other = Play(play.connection, game.names, play.player, sleep=game.clock.sleep)
    assert begin(other)["next"] == 4
    game.clock.sleep(3)
    assert respond(play, 1, 4).json()["error"] == "elsewhere"
    assert respond(play, 1, 3).json()["error"] == "elsewhere"
    other.step(1)
    assert play.me()["stage"] == "waiting"


def test_no_response_before_the_clip_can_have_been_shown(game):
    play = game.play()
    begin(play)
    early = respond(play, 1, 1)
    assert (early.status, early.json()["error"]) == (425, "too_early")
    game.clock.ms += early.json()["wait_ms"]
    assert respond(play, 1, 1).status == 200
    assert respond(play, 1, 2, rt_ms=300).status == 425
    game.clock.ms += 500 + 300 - 1
    assert respond(play, 1, 2, rt_ms=300).status == 425
    game.clock.ms += 1
    assert respond(play, 1, 2, rt_ms=300).status == 200
    for rt_ms in (0, -1, 99.9, 2000.1, 1e9):
        game.clock.sleep(10)
        assert respond(play, 1, 3, rt_ms=rt_ms).status == 422
    assert respond(play, 1, 3, rt_ms=2000).status == 200


def test_nobody_is_faster_than_the_clips(game):
    """Whatever is claimed, all responses take as long as the showings and the gaps that they claim."""
    play = game.play()
    begin(play)
    start = game.clock.ms
    for position in range(1, 15):
        while (reply := respond(play, 1, position, rt_ms=400, age_ms=1e8)).status == 425:
            game.clock.ms += reply.json()["wait_ms"]
    assert game.clock.ms - start >= 14 * 400 + 13 * 500 - 250


@pytest.mark.parametrize("played", [0, 3, 8])
def test_a_clock_that_is_set_back_keeps_nobody_waiting(game, played):
    play = game.play()
    begin(play)
    play.step(1, until=played + 1)
    game.clock.ms -= HOUR_MS
    start = game.clock.ms
    play.step(1)
    assert game.clock.ms - start < 60_000
    assert play.me()["stage"] == "waiting"


def test_time_cannot_be_saved_up(game):
    """After a long wait, responses come no faster than the clips are given out."""
    play = game.play()
    begin(play)
    game.clock.sleep(300)
    ahead = game.study.settings.clips_ahead
    replies = [respond(play, 1, position, age_ms=250_000).status for position in range(1, ahead + 3)]
    assert replies == [200] * (ahead + 1) + [425]


def test_responses_saved_while_the_connection_was_cut_are_accepted(game, tmp_path):
    """Three showings of 2 s with gaps of 0.5 s, sent a minute after they ended."""
    play = game.play()
    begin(play)
    start = game.clock.ms
    game.clock.sleep(7 + 60)
    for position, ended in ((1, 2000), (2, 4500), (3, 7000)):
        assert respond(play, 1, position, age_ms=game.clock.ms - start - ended).status == 200
    showing_starts = exported(game, tmp_path).time.astype(np.int64) - start
    assert showing_starts.tolist() == [0, 2500, 5000]


def test_a_pause_within_the_limit_goes_on_and_a_longer_one_closes(any_game):
    play = any_game.play()
    play.step(1, until=6)
    any_game.clock.sleep(9.9 * 60)
    assert play.me() == play.me() | {"stage": "playing", "step": 1, "next": 6}
    play.step(1, until=8)
    assert standing(any_game).steps[1].notes == {"paused": 1}
    play.proofs[1, 8] = play.connection.send("GET", "/api/steps/1/clips/8").proof
    any_game.clock.sleep(10.1 * 60)
    assert respond(play, 1, 8).json()["error"] == "over"
    assert play.me()["stage"] == "closed"
    assert refusal(play, "POST", "/api/steps/1/begin", {"page": PAGE}) == "over"
    assert standing(any_game).steps[1].abandoned == 1
    assert set(counts(any_game, videos.c.short_count).values()) == {0}


def test_showings_cut_short_are_over_and_too_many_close_the_step(game, tmp_path):
    play = game.play()
    begin(play)
    allowed = game.study.settings.interruptions_max
    for position in range(1, allowed + 1):
        game.clock.sleep(1)
        assert respond(play, 1, position, note="interrupted").json() == {"next": position + 1}
    assert respond(play, 1, allowed + 1, rt_ms=1000, note="unplayable").status == 422
    assert play.me()["stage"] == "playing"
    game.clock.sleep(1)
    assert respond(play, 1, allowed + 1, note="interrupted").status == 200
    assert play.me()["stage"] == "closed"
    assert play.me()["completed"] == []
    assert not exported(game, tmp_path).pressed.any()
    assert set(counts(game, videos.c.short_count).values()) == {0}


def fail(play, step, position, note, **more):
    """Report a showing that failed, after its whole window."""
    play.sleep(2.5)
    reply = respond(play, step, position, note=note, **more)
    assert reply.status == 200, reply.content


def test_a_failure_is_missing_and_not_a_miss(any_game, tmp_path):
    """The clip at position 2 stalls: the step passes, its video has no annotation, and its count is free again."""
    play = any_game.play()
    play.step(1, until=2)
    begin(play)
    playback = {"hidden_ms": 0, "stalled_ms": 1800, "frames": 3, "frames_dropped": 1, "window_width": 640,
                "window_height": 480}  # fmt: skip
    fail(play, 1, 2, "stalled", playback=playback)
    play.step(1)
    assert play.me()["stage"] == "waiting"
    table = exported(any_game, tmp_path)
    assert [MISSING_REASONS[index] for index in table.missing[:3]] == ["", "stalled", ""]
    assert {name: table.extra[name][1].as_py() for name in playback} == {k: str(v) for k, v in playback.items()}
    lost = table.videos[table.video[1]]
    counted = [table.videos[index] != lost for index in table.video]
    counted[0] |= table.video[0] == table.video[1]  # of a repeat that failed, the first showing was seen
    assert table.counted.tolist() == counted
    assert counts(any_game, videos.c.short_count) == recount(any_game, 1)
    assert counts(any_game, videos.c.short_count)[lost] == 0
    with any_game.database.read() as connection:
        header, row, *_ = csv.reader(participant_lines(connection, any_game.study.settings, any_game.study.key))
    person = dict(zip(header, row, strict=True))
    assert (person["step1_missing"], person["step1_failures"], person["step1_hidden_ms"]) == ("1", "1", "0")
    any_game.clock.sleep(25 * 3600)
    play.step(2)
    assert not {video for (step, _), (video, _) in play.responses.items() if step == 2} & {lost} or (
        table.role[1] != ROLES.index("filler")
    )


def test_an_unplayable_vigilance_repeat_fails_nobody(game, tmp_path):
    play = game.play()
    begin(play)
    with game.database.read() as connection:
        wanted = (showings.c.role == "vigilance") & showings.c.repeat
        position = connection.execute(select(showings.c.position).where(wanted)).scalars().first()
    play.step(1, until=position)
    begin(play)
    fail(play, 1, position, "unplayable")
    play.step(1)
    assert play.me()["stage"] == "waiting"
    assert standing(game).steps[1].passed == 1


def test_too_many_failures_are_paid_and_not_scored(any_game, tmp_path):
    """One of 14 showings may fail; the second ends the step with a completion code."""
    play = any_game.play()
    begin(play)
    for position in (1, 2):
        fail(play, 1, position, "ended_early")
    me = play.me()
    assert (me["stage"], [entry["step"] for entry in me["completed"]]) == ("technical", [1])
    report = standing(any_game).steps[1]
    assert (report.technical, report.failed, report.abandoned, report.notes) == (1, 0, 0, {"ended_early": 2})
    assert set(counts(any_game, videos.c.short_count).values()) == {0}
    assert refusal(play, "POST", "/api/steps/1/begin", {"page": PAGE}) == "over"
    with any_game.database.read() as connection:
        text = "".join(participant_lines(connection, any_game.study.settings, any_game.study.key))
    assert me["completed"][0]["code"] in text


def test_hidden_clips_are_missing_too_and_many_fail_the_controls(game, tmp_path):
    play = game.play()
    begin(play)
    for position in (1, 2):
        fail(play, 1, position, "hidden", rt_ms=1000.0)
    play.step(1)
    assert play.me()["stage"] == "finished"
    assert screen(exported(game, tmp_path), SHORT).step1.reasons(0)[0] == "missing 0.143, at most 0.1"


def test_a_clip_that_was_not_loaded_cannot_be_responded_to(game):
    play = game.play()
    begin(play)
    game.clock.sleep(3)
    stranger = game.play()
    begin(stranger)
    proof = stranger.connection.send("GET", "/api/steps/1/clips/1").proof
    for wrong in ("", "x", proof):
        reply = respond(play, 1, 1, proof=wrong)
        assert (reply.status, reply.json()["error"]) == (422, "impossible")
    assert respond(play, 1, 1).status == 200


def test_who_fails_the_controls_frees_the_targets_and_is_not_invited(game, tmp_path):
    good, bad = game.play(), game.play(Attentive(right=False))
    good.step(1)
    bad.step(1)
    assert bad.me()["stage"] == "finished"
    assert "return_code" not in bad.me()
    table = exported(game, tmp_path)
    wrong = np.array(table.participants)[table.participant] == bad.me()["participant"]
    assert (table.pressed[wrong] != table.repeat[wrong]).all()
    assert wrong.sum() == 14
    assert standing(game).steps[1].pass_rate == 0.5
    assert counts(game, videos.c.short_count) == recount(game, 1)
    assert sum(recount(game, 1).values()) == 3


def test_counts_stay_right_whatever_happens(any_game):
    """Participants who pass, fail, leave in the middle or are deleted, in both steps."""
    draw = np.random.default_rng(0)
    waiting = []
    for _ in range(14):
        play = any_game.play(Attentive(right=draw.random() < 0.7))
        play.step(1, until=None if draw.random() < 0.8 else 5)
        if play.me()["stage"] == "waiting":
            waiting.append(play)
    any_game.clock.sleep(25 * 3600)
    for play in waiting:
        fate = draw.random()
        if fate < 0.3:
            reply = any_game.admin("POST", "/admin/delete", json={"participant": play.me()["participant"]})
            assert reply.json()["responses"] == 14
        elif fate < 0.9:
            play.step(2, until=None if draw.random() < 0.8 else 3)
    any_game.clock.sleep(24 * 3600)
    any_game.play().step(1)
    for step, column in ((1, videos.c.short_count), (2, videos.c.long_count)):
        assert counts(any_game, column) == recount(any_game, step)
        assert sum(recount(any_game, step).values()) > 3


def test_races_over_assign_nothing(any_game):
    """16 participants start at once: every count is one of a showing, as even as if they had come one by one."""
    rules = Game(SHORT, FAST)
    tokens = [any_game.play().connection.cookies["participant"] for _ in range(16)]
    barrier = threading.Barrier(16)

    def start(token):
        barrier.wait()
        with any_game.database.write() as connection:
            rules.start(connection, token, 1, PAGE, any_game.clock.ms)

    threads = [threading.Thread(target=start, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    short = counts(any_game, videos.c.short_count)
    assert sum(short.values()) == 16 * 3
    assert short == recount(any_game, 1)
    assert max(short.values()) - min(short.values()) <= 2


def test_a_step_begun_twice_at_once_is_assigned_once(any_game):
    play = any_game.play()
    barrier, replies = threading.Barrier(4), []

    def start():
        connection = ClientConnection(any_game.client, dict(play.connection.cookies))
        barrier.wait()
        replies.append(connection.send("POST", "/api/steps/1/begin", {"page": PAGE}).status)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 4
    with any_game.database.read() as connection:
        assert len(connection.execute(select(showings)).all()) == 14
    assert sum(counts(any_game, videos.c.short_count).values()) == 3


def test_roles_are_what_the_design_says(game):
    game.play().step(1)
    with game.database.read() as connection:
        rows = connection.execute(select(showings.c.role, showings.c.repeat)).all()
    expected = {("target", False): 3, ("target", True): 3, ("vigilance", False): 2, ("vigilance", True): 2}
    assert Counter((row.role, row.repeat) for row in rows) == expected | {("filler", False): 4}
    assert {row.role for row in rows} == set(ROLES)
