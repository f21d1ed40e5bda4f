"""`videomem report` of few clips says what it can and why it cannot say more."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.training.conftest import release
from videomem_hf.cli import app
from videomem_hf.inference.claims import OF_GENERATED
from videomem_hf.inference.reference import read_reference
from videomem_hf.run_files import read_predictions, write_predictions
from videomem_hf.schema import HORIZONS

__all__ = ["release"]


@pytest.fixture
def run(release: Path, tmp_path: Path) -> Path:
    """A run with 12 evaluated clips, one of them predicted too low in the short term."""
    with (release / "devset/dev-set/ground-truth/ground-truth_dev-set.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))[:12]
    measured = np.array([[float(row[f"{h}-term_memorability"]) for h in ("short", "long")] for row in rows])
    counts = np.array([[float(row[f"nb_{h}-term_annotations"]) for h in ("short", "long")] for row in rows])
    predicted = measured + np.linspace(0.01, 0.1, 12)[:, None] * [1, -1]
    predicted[0, 0] = measured[0, 0] - 0.2
    folder = tmp_path / "run"
    folder.mkdir()
    ids = [row["video"].removesuffix(".webm") for row in rows]
    write_predictions(folder / "predictions.csv", {"model": predicted}, ids, measured, HORIZONS, counts)
    results = {
        "config": {"data": str(release), "recipe": "x"}, "model_type": "m", "train_clips": 20, "split_clips": 12,
        "split": "validation", "metrics": {}, "data": {"name": "release", "generated": {"seed": 0}},
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def report(run: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["report", str(run), *arguments])
    assert result.exit_code == 0, result.output
    return (run / "report/report.md").read_text()


def listed(text: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading."""
    lines = text.split(f"### {heading}\n")[1].split("\n#")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "| video" in line]


def test_lists_have_the_right_signs(run: Path) -> None:
    text = report(run)
    low, high = listed(text, "Short-term: predicted too low"), listed(text, "Short-term: predicted too high")
    assert len(low) == 1
    assert len(high) == 8
    assert all(float(row[-2]) > float(row[-1]) for row in high)
    assert float(low[0][-2]) < float(low[0][-1])
    assert "### Long-term: predicted too high\n\nNone.\n" in text


def test_clips_have_small_pictures(run: Path) -> None:
    text = report(run)
    row = listed(text, "Short-term: predicted too low")[0]
    assert row[0] == f"![{row[1]}](thumbnails/{row[1]}.jpg)"
    with Image.open(run / f"report/thumbnails/{row[1]}.jpg") as image:
        assert image.size == (64, 64)
    assert len(list((run / "report/thumbnails").iterdir())) == 12


def test_what_few_clips_cannot_show_is_said(run: Path) -> None:
    text = report(run)
    assert "take 36 clips; here are 12 (short-term) and 12 (long-term)." in text
    assert "calibration.png" not in text
    assert "predictions are on average" in text
    assert "There are no topics: they take 50 clips whose titles share words" in text
    assert "- Short-term: " in text.split("Noise ceilings: ")[1]
    assert f"- {OF_GENERATED}" in text


def test_without_the_data_there_are_no_titles_and_pictures(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    results["config"]["data"] = "sample/release"  # as of a Hub id, but of a generated sample, which was a folder here
    (run / "results.json").write_text(json.dumps(results))
    text = report(run)
    assert "![video" not in text
    assert "these clips have no titles here" in text


def test_intervals_of_the_reference_stand_where_the_run_has_none(run: Path) -> None:
    """Each horizon's with the clips' own counts, as `IntervalFit.ends` gives them; and that they are no test."""
    reference = read_reference(run, HORIZONS)
    assert reference is not None
    ids, columns = read_predictions(run / "predictions.csv")
    measured, predicted, counts = (columns[f"short_term{end}"] for end in ("", "_model", "_annotations"))
    low, high = reference.fits["short_term"].ends(predicted, counts).T
    inside = int(((low <= measured) & (measured <= high)).sum())
    text = report(run)
    said = f"{inside} of {len(ids)} measured scores ({inside / 12:.0%}) lie in their 90% intervals; calibrated on these"
    assert said in text
    assert (
        "comes from the errors of 12 held-out clips of a generated sample, which are the clips of this report" in text
    )


def test_intervals_that_the_run_wrote_are_tested(run: Path) -> None:
    with (run / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for horizon in HORIZONS:
            row |= {f"{horizon}_low": "0", f"{horizon}_high": "1"}
    with (run / "predictions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    text = report(run)
    assert "12 of 12 measured scores (100%) lie in their 90% intervals; 8 to 12 are expected by chance." in text
    assert "no test of them" not in text
