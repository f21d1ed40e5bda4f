"""A model of features predicts from a raw clip what it predicts from the columns that the data set reads."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import videomem_hf  # noqa: F401 - registers the data set
from tests.clips import write_audio, write_clip
from tests.features.media import moving_frames
from videomem_hf.cli import app
from videomem_hf.extraction import extract_clips
from videomem_hf.features.catalogue import feature_specs
from videomem_hf.inference import FeaturePredictor, load_predictor
from videomem_hf.models import config_class, model_class
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError


def save_model(folder: Path, names: list[str], sizes: list[int]) -> Path:
    torch.manual_seed(0)
    config = config_class("feature_mlp")(feature_names=names, feature_sizes=sizes, hidden_sizes=[5])
    model = model_class("feature_mlp")(config)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    (tmp_path / "clips").mkdir()
    return [write_clip(tmp_path / f"clips/video{n}.webm", moving_frames(12, seed=n)) for n in (1, 2)]


def test_a_raw_clip_scores_as_its_extracted_columns(clips: list[Path], tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", ["colorhistogram", "hmp"], [2304, 6075])
    extract_clips(clips, feature_specs(["hmp", "colorhistogram"]), tmp_path / "out", processes=1)
    columns = {
        name: torch.tensor(datasets.load_dataset(
            "videomem", name, data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
        )["test"][name]).flatten(1)
        for name in ("hmp", "colorhistogram")
    }  # fmt: skip
    model = model_class("feature_mlp").from_pretrained(folder)
    model.standardize_on(columns)
    model.save_pretrained(folder)
    predictor = load_predictor(str(folder), "cpu")
    assert isinstance(predictor, FeaturePredictor)
    with torch.no_grad():
        expected = model(features=columns).scores
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    for clip, row in zip(clips, expected, strict=True):
        prediction = predictor.predict(clip, stills=2)
        np.testing.assert_allclose(list(prediction.scores.values()), row, atol=1e-6)
        np.testing.assert_array_equal(prediction.frame_scores[0], list(prediction.scores.values()))
        assert len(prediction.stills) == 1  # half a second: one frame
        assert prediction.saliency_method is None
    longer = write_clip(tmp_path / "longer.webm", moving_frames(5, seed=3), fps=1)
    assert [still.time_s for still in predictor.predict(longer, stills=2).stills] == [0, 4]


def test_a_samples_clips_score_as_their_feature_files(tmp_path: Path) -> None:
    made = generate_sample(
        tmp_path / "sample", videos=4, test_videos=1, size=(64, 64), features=["hmp"], workers=1, progress=False
    )
    rows = datasets.load_dataset("videomem", "hmp", data_dir=str(made.release), cache_dir=str(tmp_path / "cache"))
    parts = rows.values()
    ids = [video_id for part in parts for video_id in part["video_id"]]
    hmp = [numbers for part in parts for numbers in part["hmp"]]
    folder = save_model(tmp_path / "model", ["hmp"], [6075])
    model = model_class("feature_mlp").from_pretrained(folder)
    columns = {"hmp": torch.tensor(hmp)}
    model.standardize_on(columns)
    model.save_pretrained(folder)
    with torch.no_grad():
        expected = dict(zip(ids, model(features=columns).scores.tolist(), strict=True))
    clips = list(made.release.rglob("*.webm"))
    assert {clip.stem for clip in clips} == expected.keys()
    for prediction, clip in zip(load_predictor(str(folder), "cpu").predict_many(clips), clips, strict=True):
        np.testing.assert_allclose(list(prediction.scores.values()), expected[clip.stem], atol=1e-5)


def test_the_command_takes_feature_models(clips: list[Path], tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", ["hmp"], [6075])
    (tmp_path / "clips/bad.webm").write_text("no video")
    arguments = ["predict", str(tmp_path / "clips"), "--model", str(folder), "--json", str(tmp_path / "s.json")]
    result = CliRunner().invoke(app, [*arguments, "--plots", str(tmp_path / "plots")])
    assert result.exit_code == 1
    rows = {Path(row["clip"]).name: row for row in json.loads((tmp_path / "s.json").read_text())}
    assert "not a video" in rows["bad.webm"]["error"]
    assert 0 <= rows["video1.webm"]["short_term"] <= 1
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"video1.png", "video2.png"}
    without = CliRunner().invoke(app, [*arguments, "--overlay", str(tmp_path / "overlay")])
    assert "no overlay videos, as saliency maps are missing" in without.stderr
    assert "2 clips scored" in " ".join(without.stdout.split())


def test_what_cannot_be_extracted_is_one_sentence(tmp_path: Path, clips: list[Path]) -> None:
    for name, message in (("aesthetics_mean", "read from the release only"), ("own", "cannot be computed from a clip")):
        with pytest.raises(InputError, match=message):
            load_predictor(str(save_model(tmp_path / name, [name], [109])), "cpu")
    predictor = load_predictor(str(save_model(tmp_path / "hog", ["hog"], [3])), "cpu")
    with pytest.raises(VideoError, match="'hog' must have 3 numbers"):
        predictor.predict(clips[0])
    with pytest.raises(VideoError, match="no moving picture"):
        predictor.predict(write_audio(tmp_path / "a.m4a"))
