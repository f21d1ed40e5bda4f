"""`videomem evaluate` on a saved model and a generated release."""

import csv
import json
from pathlib import Path

import pytest
import torch
import typer
from scipy import stats
from typer.testing import CliRunner

from videomem_hf.cli.evaluate import evaluate
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.modeling_frame_attention import FrameAttentionModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "sample"
    return generate_sample(out, videos=32, test_videos=2, size=(64, 64), features=(), workers=1, progress=False).release


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = FrameAttentionConfig(hidden_sizes=[8, 8], feature_size=8, output_stride=4)
    FrameAttentionModel(config).save_pretrained(folder)
    MemorabilityVideoProcessor(size={"height": 18, "width": 32}).save_pretrained(folder)
    return folder


def test_numbers_and_files(release: Path, model: Path, tmp_path: Path) -> None:
    files = ["--json", str(tmp_path / "metrics.json"), "--csv", str(tmp_path / "scores.csv")]
    run = CliRunner().invoke(
        app, [str(model), "--data", str(release), "--frame-cache", str(tmp_path), "--batch-size", "4", *files]
    )
    assert run.exit_code == 0, run.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for horizon in ("short_term", "long_term"):
        predicted, measured = ([float(row[name]) for row in rows] for name in (f"{horizon}_model", horizon))
        spearman = stats.spearmanr(predicted, measured)[0]
        assert metrics[horizon]["model"]["spearman"] == pytest.approx(spearman)
        assert f"{spearman:.3f}".replace("0.", ".") in run.output
    # The same clips in batches of another size.
    again = tmp_path / "again.csv"
    CliRunner().invoke(app, [str(model), "--data", str(release), "--frame-cache", str(tmp_path), "--csv", str(again)])
    with again.open(newline="") as file:
        for row, other in zip(rows, csv.DictReader(file), strict=True):
            assert float(row["short_term_model"]) == pytest.approx(float(other["short_term_model"]), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "testing"], "there is no split 'testing'; there are train, validation, test"),
        (["--most-annotated", "7"], "the 7 most annotated videos are asked for; 1 to 6 can be had"),
        (["--submission", "out", "--team", "a/b"], "team 'a/b': letters, digits and hyphens are allowed"),
        (["--split", "test"], "no clip of the split 'test' has both a score and a video"),
        (["--json", "/nowhere/metrics.json"], "the folder /nowhere does not exist; make it first"),
    ],
)
def test_mistakes_are_one_sentence(
    release: Path, model: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    run = CliRunner().invoke(app, [str(model), "--data", str(release), "--frame-cache", str(tmp_path), *options])
    assert isinstance(run.exception, InputError)
    assert message in str(run.exception)


def test_the_most_annotated_and_what_bounds_a_correlation(release: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "metrics.json"
    options = ["--most-annotated", "4", "--json", str(out), "--csv", str(tmp_path / "scores.csv")]
    run = CliRunner().invoke(app, [str(model), "--data", str(release), "--frame-cache", str(tmp_path), *options])
    assert run.exit_code == 0, run.output
    table = next(release.rglob("ground-truth*.csv"))
    with table.open(newline="", encoding="utf-8-sig") as file:
        counts = {
            row["video"].removesuffix(".webm"): (
                -int(row["nb_long-term_annotations"]),
                -int(row["nb_short-term_annotations"]),
                int(row["video"].removesuffix(".webm").removeprefix("video")),
            )
            for row in csv.DictReader(file)
        }
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: counts[row["video_id"]])
    content = json.loads(out.read_text())
    predicted, measured = ([float(row[name]) for row in rows[:4]] for name in ("short_term_model", "short_term"))
    few = content["metrics"]["short_term"]["4 most annotated"]
    assert few["items"] == 4
    assert few["spearman"] == pytest.approx(stats.spearmanr(predicted, measured)[0])
    assert "short-term 4 most annotated" in run.output
    assert "human consistency .481 / .192, annotation consistency .616 / .364" in run.output
    assert f"short-term {content['ceilings']['short_term']:.3f}".replace("0.", ".") in run.output


def test_mediaevals_files(release: Path, model: Path, tmp_path: Path) -> None:
    arguments = [
        str(model), "--data", str(release), "--frame-cache", str(tmp_path), "--split", "test",
        "--submission", str(tmp_path / "out"), "--team", "mine", "--run", "3",
    ]  # fmt: skip
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"2019mem_mine_{horizon}_run3-required.csv" for horizon in ("shortterm", "longterm")}
    text = (tmp_path / "out" / "2019mem_mine_shortterm_run3-required.csv").read_bytes().decode()
    lines = text.split("\r\n")
    assert lines.pop() == ""
    assert "\n" not in "".join(lines)
    ids = [line.split(".webm,")[0] for line in lines]
    assert ids == sorted(ids, key=lambda name: int(name.removeprefix("video")))
    assert len(ids) == 2
    for line in lines:
        _, score, confidence = line.split(",")
        assert 0 <= float(score) <= 1
        assert confidence == "1"
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, InputError)
    assert "exists already; choose another run number" in str(again.exception)
