"""`videomem study simulate`, `videomem score`, `videomem analyse`, one after the other."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
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
    assert "lag correction: " in text
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


def test_a_missing_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        run("score", tmp_path / "none.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
