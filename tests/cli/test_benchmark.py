"""`videomem benchmark` on a generated release and a file of predictions."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    generate_sample(
        folder / "sample", videos=40, test_videos=2, size=(64, 64), features=("hmp",), workers=1, progress=False
    )
    truth = {}
    for line in (folder / "sample/truth.jsonl").read_text().splitlines():
        row = json.loads(line)
        truth[row["video_id"]] = row["short_term"]
    with (folder / "short_term.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("video", "score"), *((f"{clip}.webm", score) for clip, score in truth.items())])
    return folder


def test_from_a_file_to_a_leaderboard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    options = ["--data", "sample/release", "--out", "bench", "--add", "board", "--resamples", "100"]
    content = ["--frames", "--feature", "hmp"]
    result = CliRunner().invoke(app, ["benchmark", "short_term.csv", *options, *content])
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "bench/benchmark.json").read_text())
    assert found["ground_truth"]["unscored"] == 2
    assert found["checked_for_copies"] == ["titles", "frames", "hmp"]
    groups = {group["name"] for p in found["protocols"] for h in p["horizons"] for group in h["groups"]}
    assert {"little motion", "some motion", "much motion"} <= groups
    assert not [leak for leak in found["leaks"] if leak["where"] == "short_term.csv"]
    assert (folder / "bench/index.html").stat().st_size > 5000
    assert (folder / "board/index.html").is_file()
    assert "Added: board/results/" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["short_term.csv", "short_term.csv"], "is given twice"),
        (["short_term.csv", "--column", "clip"], "--column clip; give WHAT=NAME"),
        (["a.csv"], "a.csv: no such file; give a file of predictions"),
        (["runs/a.csv"], "runs/a.csv: no such file"),
        (["gone"], "gone: no such folder; give the folder of a model"),
        (["short_term.csv", "--protocol", "best"], "there is no protocol 'best'"),
    ],
)
def test_mistakes(folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["benchmark", *words, "--data", "sample/release", "--out", "b2"])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
