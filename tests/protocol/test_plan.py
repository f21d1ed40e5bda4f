"""Plans: designs for few clips, numbers of participants against a closed form, and the preview of a design."""

import math
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tests.protocol.play import ClipNames, Play
from tests.protocol.served import SHORT, Attentive, ClientConnection, Clock
from videomem_hf.cli import app
from videomem_hf.protocol import plan as planning
from videomem_hf.protocol import plan_adaptive
from videomem_hf.protocol.design import StudyDesign, design_names, load_design
from videomem_hf.protocol.plan import annotations_for_reliability, plan_design, plan_for_budget, plan_study
from videomem_hf.protocol.plan_adaptive import adaptive_design
from videomem_hf.protocol.schedule import draw_step1
from videomem_hf.protocol.server.app import create_app
from videomem_hf.protocol.server.clips import compare_lengths
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.preview import preview_design, preview_study
from videomem_hf.schema import InputError


@pytest.mark.parametrize("clips", [20, 21, 33, 60, 100, 201])
def test_a_design_for_few_clips_keeps_the_papers_proportions(clips: int) -> None:
    design = plan_design(clips)
    assert design.videos_needed <= clips - 2
    assert design.videos_needed >= 0.85 * (clips - 2)
    for seed in range(20):
        lags = [showing.lag for showing in draw_step1(design, seed) if showing.repeat and showing.role == "target"]
        assert len(lags) == design.step1.targets
    if clips >= 60:
        assert design.step1.targets / design.videos_needed == pytest.approx(40 / 200, rel=0.1)
        assert design.step1.target_lag_max / design.step1.showings == pytest.approx(100 / 180, rel=0.05)


def test_enough_clips_give_the_papers_design() -> None:
    assert plan_design(202).step1.showings == StudyDesign().step1.showings == 180
    assert plan_design(10_002) == StudyDesign()
    with pytest.raises(InputError, match="19 clips; a game with targets, fillers and new clips needs 20 or more"):
        plan_design(19)


def test_annotations_follow_spearman_and_brown() -> None:
    """Twice the annotations: reliability 2 r / (1 + r)."""
    once = annotations_for_reliability("long_term", 0.5)
    assert annotations_for_reliability("long_term", 2 / 3) == pytest.approx(2 * once)
    # By hand: .778 (1 - .778) - .087^2 over .087^2.
    assert once == pytest.approx((0.778 * 0.222 - 0.087**2) / 0.087**2)


def test_the_simulation_agrees_with_the_closed_form() -> None:
    wanted = {"short_term": 40.0, "long_term": 30.0}
    plan = plan_study(40, wanted, return_rate=1.0)  # type: ignore[arg-type]
    long = plan.expected["long_term"]
    assert long.annotations >= 30
    assert long.annotations == plan.expected["long_term"].participants * plan.design.step2.targets / 38
    assert long.error[1] == pytest.approx(long.error[0], rel=0.25)
    assert long.reliability[1] == pytest.approx(long.reliability[0], abs=0.2)
    assert plan.invited[0] > plan.expected["short_term"].participants
    shown = plan.design.step1.showings + 5, plan.design.step2.showings + 4  # with the practice
    assert plan.minutes == pytest.approx([count * 8 / 60 for count in shown])
    assert plan.cost(60) == pytest.approx(plan.invited[0] * plan.minutes[0] + plan.invited[1] * plan.minutes[1])


def test_a_budget_is_kept() -> None:
    plan = plan_for_budget(40, 30.0)
    assert 20 < plan.cost(1.0) < 36
    with pytest.raises(InputError, match=r"0\.1 paid hours; one participant takes"):
        plan_for_budget(40, 0.1)


def test_the_command_writes_a_design_that_works(tmp_path) -> None:
    out = tmp_path / "design.yaml"
    command = ["study", "plan", "--videos", "30", "--precision", "0.08", "--pay", "10EUR/h", "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--clip-seconds", "3"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with pytest.raises(InputError, match="exists; name another file with --out, or replace it with --force"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert load_design(out).presentation.window_s == 3
    assert load_design(out).videos_needed <= 28
    passing = re.search(r"recruit [\d,]+ participants, of whom ([\d,]+) pass", result.output)
    assert passing
    assert f"videomem study simulate played --videos 28 --participants {passing[1].replace(',', '')} " in result.output
    assert "EUR at 10 per hour" in result.output
    for wrong, message in (
        (["--reliability", ".7", "--precision", ".1"], "give one of them"),
        (["--pay", "much"], "--pay much; give an amount above 0"),
        (["--reliability", "1"], "it lies between 0 and 1"),
    ):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(app, ["study", "plan", "--videos", "30", *wrong], catch_exceptions=False)


def test_adaptive_assignment_has_more_targets_in_the_same_minutes(tmp_path, monkeypatch) -> None:
    design = adaptive_design(StudyDesign())
    assert (design.step1.targets, design.step1.fillers) == (50, 40)
    assert design.step1.showings == StudyDesign().step1.showings
    assert design.assignment.policy == "adaptive"
    monkeypatch.setattr(plan_adaptive, "_MOST_STUDIES", 2)
    monkeypatch.setattr(plan_adaptive, "_SIMULATED_PARTICIPANTS", 100)
    monkeypatch.setattr(planning, "_SIMULATED_PARTICIPANTS", 100)
    out = tmp_path / "design.yaml"
    command = ["study", "plan", "--videos", "30", "--precision", "0.12", "--policy", "adaptive", "--out", str(out)]
    text = CliRunner().invoke(app, command, catch_exceptions=False).output
    written = load_design(out)
    assert written == adaptive_design(plan_design(30))
    assert f"{written.step1.targets} targets and {written.step1.fillers} fillers in step 1 in place of" in text
    share = re.search(r"participants: (?:at most )?(\d+)% of those of the paper's rule \(([\d,]+) and", text)
    recruited = re.search(r"step 1: .*recruit ([\d,]+) participants", text)
    assert share
    assert recruited
    assert 50 <= int(share[1]) <= 100
    number, paper = (int(each.replace(",", "")) for each in (recruited[1], share[2]))
    assert number == pytest.approx(int(share[1]) / 100 * paper, abs=0.006 * paper + 1)


@pytest.mark.parametrize("correlations", [[math.nan, math.nan], [0.1, 0.9]])
def test_a_study_that_adaptive_assignment_does_not_help_has_all_the_participants(
    tmp_path, monkeypatch, correlations
) -> None:
    monkeypatch.setattr(plan_adaptive, "_MOST_STUDIES", 2)
    monkeypatch.setattr(plan_adaptive, "_correlations", lambda _, combined: [correlations[not combined]] * 2)
    monkeypatch.setattr(planning, "_SIMULATED_PARTICIPANTS", 100)
    command = ["study", "plan", "--videos", "30", "--precision", "0.12", "--policy", "adaptive"]
    text = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "d.yaml")], catch_exceptions=False).output
    assert re.search(r"participants: as many as by the paper's rule .*saves nothing here", text)


def test_every_name_of_a_design_is_documented() -> None:
    names = design_names()
    assert len(names) == 28
    assert all(each.about.endswith(".") and len(each.about) > 10 and each.source for each in names)
    by_name = {(each.section, each.name): each for each in names}
    assert by_name["step1", "target_lag_max"].default == 100
    assert "Range of the targets' lags" in by_name["step1", "target_lag_max"].about


def test_a_preview_tells_the_roles_and_a_study_does_not(tmp_path) -> None:
    study = preview_study(tmp_path / "study", SHORT, None)
    assert study.design == preview_design(SHORT)
    assert study.design.presentation.window_s * (14 + 6) < 120
    for preview in (True, False):
        clock, database = Clock(), Database(f"sqlite:///{tmp_path / f'{preview}.db'}")
        with TestClient(create_app(study, database, clock, preview=preview)) as client:
            connection = Recorder(client)
            play = Play(connection, ClipNames(study.clips.values()), Attentive(), sleep=clock.sleep)
            play.join()
            play.step(1)
            assert play.me()["stage"] == "ready"
            play.step(2)
        database.close()
        told = [label for label in connection.labels if label]
        assert len(told) == (20 if preview else 0)
        assert told.count("target, second showing: press") == (3 if preview else 0)
        assert told.count("filler, new: do not press") == (3 if preview else 0)


class Recorder(ClientConnection):
    """Keeps the labels that the server tells."""

    def send(self, method, path, body=None):
        reply = super().send(method, path, body)
        self.labels = [*getattr(self, "labels", []), self.last_headers.get("x-preview")]
        return reply


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--budget 900USD --pay 12EUR/h", "give both in the same currency"),
        ("--budget 900EUR/h", "give an amount above 0"),
        ("--reliability .99999", "more than can be simulated"),
        ("--budget 9999999999EUR", "more than can be simulated"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(options: str, message: str, tmp_path: Path) -> None:
    command = ["study", "plan", "--videos", "40", "--out", str(tmp_path / "design.yaml"), *options.split()]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not (tmp_path / "design.yaml").exists()


def test_a_sign_of_a_currency_means_the_same_as_its_code(tmp_path: Path) -> None:
    command = ["study", "plan", "--videos", "20", "--out", str(tmp_path / "design.yaml"), "--budget", "900€"]
    assert "EUR at 12 per hour" in CliRunner().invoke(app, command).output


@pytest.mark.filterwarnings("error")
def test_a_plan_for_two_participants_has_no_warnings() -> None:
    plan = plan_study(20, {"short_term": 0.1, "long_term": 0.1})
    assert plan.expected["short_term"].participants == 2


def test_lengths_of_clips_are_compared_with_the_window() -> None:
    assert compare_lengths([7.0, 7.1, float("nan")], 7.0) is None
    assert compare_lengths([], 7.0) is None
    short = compare_lengths([2.0, 2.04, 7.0], 7.0)
    assert short is not None
    assert "The clips last 2.0 to 7.0 s, the response window 7 s: the last frame of 2 shorter clips stands" in short
    assert "the end of 1 longer clip is cut off" in str(compare_lengths([9.0], 7.0))
