"""`videomem compare` on saved models, tables and a generated release."""

import csv
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.modeling_frame_attention import FrameAttentionModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 32 clips, numbered up to 33, and two models."""
    folder = tmp_path_factory.mktemp("compare")
    generate_sample(folder / "sample", videos=32, test_videos=2, size=(64, 64), features=(), workers=1, progress=False)
    for seed in range(2):
        torch.manual_seed(seed)
        config = FrameAttentionConfig(hidden_sizes=[8, 8], feature_size=8, output_stride=4)
        FrameAttentionModel(config).save_pretrained(folder / f"model{seed}")
        MemorabilityVideoProcessor(size={"height": 18, "width": 32}).save_pretrained(folder / f"model{seed}")
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_models_and_tables(here: Path, tmp_path: Path) -> None:
    cache = ["--frame-cache", str(tmp_path / "frames")]
    data = ["--data", "sample/release"]
    evaluated = CliRunner().invoke(app, ["evaluate", "model1", *data, *cache, "--csv", "scores.csv"])
    assert evaluated.exit_code == 0, evaluated.output
    files = ["--json", "c.json", "--csv", "c.csv", "--plot", "c.png"]
    result = CliRunner().invoke(app, ["compare", "model0", "model1", "scores.csv", *data, *cache, *files])
    assert result.exit_code == 0, result.output
    assert "1  model0\n   6 clips of the split 'validation' of sample/release" in result.output
    found = json.loads((here / "c.json").read_text())["horizons"]["short_term"]
    assert found["clips"] == 6
    # The table is of the second model: the same figures, and no difference.
    assert found["predictors"]["scores.csv"] == found["predictors"]["model1"]
    assert {pair["difference"] for pair in found["pairs"] if pair["first"] == "model1"} == {0}
    with (here / "c.csv").open(newline="") as file:
        assert [row["second"] for row in csv.DictReader(file)][:6] == ["", "", "", "model1", "scores.csv", "scores.csv"]
    assert (here / "c.png").stat().st_size > 10_000


def test_measured_scores_come_from_the_data(here: Path) -> None:
    for name, shift in (("a.csv", 0), ("b.csv", 3)):
        rows = [("clip", "short_term"), *((f"x/video{n}.webm", (n * 7 + shift) % 10 / 10) for n in range(1, 33))]
        with (here / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    alone = CliRunner().invoke(app, ["compare", "a.csv", "b.csv"])
    assert isinstance(alone.exception, InputError)
    assert "0 clips with a measured short-term score" in str(alone.exception)
    result = CliRunner().invoke(app, ["compare", "a.csv", "b.csv", "--data", "sample/release"])
    assert result.exit_code == 0, result.output
    assert "short-term, on 31 clips that all have" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model0"], "model0: is the only predictor; give two or more"),
        (["model0", "model0"], "model0: is given twice"),
        (["model0", "nowhere"], "nowhere: no such folder"),
        (["model0", "model1"], "model0: has no record of a training run; give --data"),
        (["model0", "model1", "--json", "/nowhere/c.json"], "the folder /nowhere does not exist; make it first"),
        (["model0", "model1", "--json", "c.txt", "--csv", "./c.txt"], "c.txt is named for two outputs"),
        (["a.csv", "b.csv", "--json", "-"], "- is standard output, which gets the report; name a file"),
        (["a.csv", "b.csv", "--csv", "./b.csv"], "b.csv: is one of the predictors"),
        (["a.csv", "b.csv", "--plot", "c.xyz"], "--plot c.xyz: cannot be drawn; name a file that ends in png, pdf"),
    ],
)
def test_mistakes_are_one_sentence(here: Path, arguments: list[str], message: str) -> None:
    for name in ("a.csv", "b.csv"):
        (here / name).write_text("video_id,short_term\nvideo1,.1\nvideo2,.2\nvideo3,.4\n")
    result = CliRunner().invoke(app, ["compare", *arguments])
    assert isinstance(result.exception, InputError), result.output
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["model0", "model0/"], "is given twice"),
        (["model0", "model1", "--plot", "c.xyz"], "cannot be drawn; name a file that ends in png, pdf"),
    ],
)
def test_what_cannot_be_compared_or_drawn_is_refused_first(here: Path, arguments: list[str], phrase: str) -> None:
    refused = CliRunner().invoke(app, ["compare", *arguments])
    assert isinstance(refused.exception, InputError)
    assert phrase in str(refused.exception)
