"""`videomem study simulate`, `videomem score`, `videomem analyse`, one after the other."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.cli.analyse import what_is_next
from videomem_hf.sample import generate_sample, read_truth
from videomem_hf.schema import InputError

runner = CliRunner()


def run(*arguments: object) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "played"
    text = run("study", "simulate", out, "--videos", 220, "--participants", 60, "--returning", 30, "--seed", 4)
    assert "showings" in text
    return out


def test_simulate_writes_a_study_and_its_truth(played: Path) -> None:
    assert sorted(path.name for path in played.iterdir()) == ["annotations.csv", "design.yaml", "truth.csv"]
    with (played / "truth.csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    assert len(truth) == 220
    assert np.mean([float(row["short_term"]) for row in truth]) == pytest.approx(0.859, abs=0.02)
    with pytest.raises(InputError, match="not a new or empty folder"):
        run("study", "simulate", played)


def test_score(played: Path, tmp_path: Path) -> None:
    text = run("score", played / "annotations.csv", tmp_path / "out", "--design", played / "design.yaml")
    assert "short-term: 60 of" in text
    assert " by vigilance hits" in text
    assert "long-term: 30 of 30 participants passed" in text
    assert "lag correction: hit rates change by " in text
    lines = (tmp_path / "out" / "release" / "ground-truth.csv").read_text().splitlines()
    assert lines[0].startswith("video,short-term_memorability,nb_short-term_annotations")
    assert len(lines) > 200


def test_score_with_another_design(played: Path, tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text("controls: {vigilance_hits_min: 1.0}\n")
    run("score", played / "annotations.csv", tmp_path / "a")
    run("score", played / "annotations.csv", tmp_path / "b", "--design", tmp_path / "strict.yaml")
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in "ab")
    assert second["short_term"]["participants_passed"] < first["short_term"]["participants_passed"]


def test_analyse(played: Path, tmp_path: Path) -> None:
    run("analyse", played / "annotations.csv", tmp_path / "out", "--splits", 2)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    figures = ("figure3_retention", "figure4_consistency", "figure5_agreement", "figure6_response_time")
    assert names == {
        "report.md",
        "analysis.json",
        *(f"{name}.{kind}" for name in figures for kind in ("png", "pdf", "svg")),
    }
    assert (tmp_path / "out" / "figure5_agreement.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (tmp_path / "out" / "figure3_retention.svg").read_text()[:1000]
    report = (tmp_path / "out" / "report.md").read_text()
    assert all(f"({name}.png)" in report for name in figures)
    content = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert {row["name"] for row in content["table"]} >= {"short_term_human_consistency", "rt_t"}
    other = tmp_path / "other"
    run("analyse", played / "annotations.csv", other, "--splits", 2, "--seed", 9)
    again = json.loads((other / "analysis.json").read_text())
    assert again["annotation_consistency"] != content["annotation_consistency"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no analysis"):
        run("analyse", played / "annotations.csv", tmp_path / "mine")


def test_after_an_analysis_comes_what_is_not_done_yet(tmp_path: Path) -> None:
    out, table = tmp_path / "scores/analysis", [tmp_path / "annotations.csv"]
    assert what_is_next(table, out, None) == f"videomem score {table[0]} scores"
    release = tmp_path / "scores/release"
    release.mkdir(parents=True)
    (tmp_path / "scores/summary.json").write_text("{}")
    assert what_is_next(table, out, None) == f"videomem describe {release}"
    (release / "videos").mkdir()
    assert what_is_next(table, out, None).startswith(f"videomem train --recipe frame_attention --data {release} ")


def test_a_missing_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        run("score", tmp_path / "none.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_simulate_with_the_clips_of_a_sample(tmp_path: Path) -> None:
    """Scores of clips follow the sample's truth, under the clips' own names; they are added to the release."""
    sample = generate_sample(
        tmp_path / "sample", videos=16, test_videos=0, size=(64, 64), features=(), workers=1, progress=False
    )
    clips = sample.release / "devset/dev-set/sources"
    (tmp_path / "small.yaml").write_text(
        "step1: {targets: 4, target_lag_min: 3, target_lag_max: 6, vigilance_fillers: 1, vigilance_lag_min: 1,\n"
        "        vigilance_lag_max: 2, fillers: 4, candidates: 9}\nstep2: {targets: 4, fillers: 4}\n"
    )
    small = ("--design", tmp_path / "small.yaml")
    run("study", "simulate", tmp_path / "played", "--clips", clips, "--truth", tmp_path / "sample",
        "--participants", 2000, "--returning", 1000, *small)  # fmt: skip
    run("score", tmp_path / "played/annotations.csv", tmp_path / "scores", "--clips", clips, *small)
    truth = {f"video{each.video_id}": each for each in read_truth(tmp_path / "sample")}
    with (tmp_path / "scores/scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == set(truth)
    for horizon in ("short_term", "long_term"):
        scores = [float(row[f"{horizon}_raw"]) for row in rows]
        assert np.corrcoef(scores, [getattr(truth[row["name"]], horizon) for row in rows])[0, 1] > 0.9
    assert len(list((tmp_path / "scores/release/videos").iterdir())) == 16

    other = tmp_path / "other"
    with pytest.raises(InputError, match="--truth is for clips"):
        run("study", "simulate", other, "--truth", tmp_path / "sample")
    with pytest.raises(InputError, match="--videos 20 with --clips"):
        run("study", "simulate", other, "--clips", clips, "--videos", 20)
    (clips / "video1.webm").rename(clips / "mine.webm")
    with pytest.raises(InputError, match="no truth about mine"):
        run("study", "simulate", other, "--clips", clips, "--truth", tmp_path / "sample", *small)
    run("study", "simulate", other, "--clips", clips, "--participants", 20, "--returning", 10, *small)
    assert "mine," in (other / "truth.csv").read_text()


def test_an_adaptive_study_stops_by_itself_and_has_the_models_scores(tmp_path: Path) -> None:
    design, played = tmp_path / "adaptive.yaml", tmp_path / "played"
    design.write_text("assignment: {policy: adaptive, short_term_reliability: 0.3}\n")
    sizes = ("--videos", 220, "--participants", 400, "--returning", 10)
    assert "the study stopped by itself" in run("study", "simulate", played, *sizes, "--design", design)
    words = (played / "annotations.csv", tmp_path / "scores", "--design", played / "design.yaml")
    assert "plain scores of the least memorable videos are too low" in run("score", *words, "--model", "plain")
    plain = read_column(tmp_path / "scores" / "scores.csv", "short_term_score")
    assert "scores: hit rates by the detection model, combined" in run("score", *words)
    combined = read_column(tmp_path / "scores" / "measurement" / "measurement.csv", "short_term_combined")
    assert read_column(tmp_path / "scores" / "scores.csv", "short_term_score") == combined != plain
    release = read_column(tmp_path / "scores" / "release" / "ground-truth.csv", "short-term_memorability")
    assert [round(float(score), 6) for score in release] == [float(score) for score in combined if score]
    assert json.loads((tmp_path / "scores" / "summary.json").read_text())["model"] == "detection"
    assert read_column(tmp_path / "scores" / "measurement" / "measurement.csv", "short_term_combined_error")


def read_column(path: Path, name: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]
