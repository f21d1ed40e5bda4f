"""The recipe `best` on data with videos and no features: a view of the frames is extracted first."""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.multiview.test_run import SMALL, Words, check_evaluate_repeats
from videomem_hf.cli import app
from videomem_hf.features import packaged
from videomem_hf.features import title_views as titles_module
from videomem_hf.features.extract import extract
from videomem_hf.inference.view_predictor import ViewPredictor
from videomem_hf.models.folders import load_model
from videomem_hf.multiview import frame_views, views
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.run import train_best
from videomem_hf.multiview.views import load_view_data
from videomem_hf.run_files import TrainingResult
from videomem_hf.schema import HORIZONS, InputError

NAME = "efficientnet-lite0"
SIDE = 8


@dataclass
class Spy:
    """Stands for the network: a clip's vector is the mean of its small frames; counts the clips it is given."""

    clips: int = 0

    def __call__(self, clips: list[list[Any]]) -> list[list[np.ndarray]]:
        self.clips += len(clips)
        return [[np.mean(frames, axis=0).ravel()] for frames in clips]


def small(rgb: np.ndarray) -> np.ndarray:
    return rgb[:: len(rgb) // SIDE][:SIDE, :: rgb.shape[1] // SIDE][:, :SIDE].mean(axis=2) / 255


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The encoder with a network that takes no time, titles' too, and a cache of its own."""
    spy = Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packaged.EfficientNetLiteSpec, "missing", lambda self: None if self.name == NAME else "x")
        patch.setattr(packaged.EfficientNetLiteSpec, "load", lambda self, device: spy)
        patch.setattr(packaged, "timm_transform", lambda name: small)
        patch.setattr(titles_module, "load_encoder", lambda *_: Words())
        patch.setattr(frame_views, "VECTOR_CACHE", tmp_path_factory.mktemp("vectors"))
        yield spy


@pytest.fixture(scope="module")
def finished(release: Path, network: Spy, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    output = tmp_path_factory.mktemp("best") / "run"
    config = BestConfig.from_recipe("best", data=release, output=output, overrides=SMALL)
    with pytest.warns(RuntimeWarning, match="spearman of a constant"):  # of one view alone, on six clips
        return train_best(config, progress=False)


def test_frames_are_embedded_once_and_trained_on(finished: TrainingResult, network: Spy, release: Path) -> None:
    assert finished.results["views"] == {"title": 23, NAME: SIDE**2}
    assert finished.results["frame_encoder"] == NAME
    embedded = network.clips
    assert embedded == 34
    again = load_view_data(str(release), "auto", None, progress=False, encoder="auto")
    assert network.clips == embedded
    assert np.isfinite(again.views[NAME]).all()


def test_the_view_is_what_extract_gives(finished: TrainingResult, release: Path) -> None:
    found = load_view_data(str(release), "auto", None, progress=False, encoder=NAME)
    for clip in sorted(release.rglob("*.webm"))[:3]:
        ((vector,),) = extract(clip, [NAME]).values()
        if clip.stem in found.video_ids:
            np.testing.assert_allclose(found.views[NAME][found.video_ids.index(clip.stem)], vector, atol=1e-6)


def test_a_raw_clip_is_predicted_as_in_the_run(finished: TrainingResult, release: Path) -> None:
    with (finished.output / "predictions.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    found = load_view_data(str(release), "auto", "words", progress=False)
    title = found.titles[found.video_ids.index(row["video_id"])]
    clip = next(release.rglob(f"{row['video_id']}.webm"))
    prediction = ViewPredictor(load_model(finished.output), "best", "cpu", title=title).predict(clip)
    for horizon in HORIZONS:
        assert prediction.scores[horizon] == pytest.approx(float(row[f"{horizon}_model"]), abs=1e-4)


def test_evaluate_extracts_the_same_view(finished: TrainingResult, release: Path, tmp_path: Path) -> None:
    check_evaluate_repeats(finished, release, tmp_path / "out.json")


def test_without_videos_evaluate_predicts_from_the_rest(
    finished: TrainingResult, features: Path, tmp_path: Path
) -> None:
    command = ["evaluate", str(finished.output), "--data", str(features), "--split", "validation"]
    with pytest.warns(UserWarning, match=f"has no {NAME}: predicted without"):
        assert CliRunner().invoke(app, command).exit_code == 0


def test_frames_stay_out_where_features_are_or_null_is_given(release: Path, features: Path, network: Spy) -> None:
    assert load_view_data(str(features), "auto", None, progress=False, encoder="auto").frame_encoder == ""
    assert NAME not in load_view_data(str(release), "auto", "words", progress=False, encoder=None).views
    assert NAME not in load_view_data(str(release), ["title"], "words", progress=False, encoder="auto").views
    assert list(load_view_data(str(release), ["title"], "words", progress=False, encoder=NAME).views)[1:] == [NAME]


def test_without_an_encoder_it_says_which_to_install(
    release: Path, network: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "best_installed", lambda: None)
    with pytest.warns(UserWarning, match=r"videos are left out.*pip install 'videomem_hf\[encoders\]'"):
        load_view_data(str(release), "auto", "words", progress=False, encoder="auto")
    with pytest.raises(InputError, match=r"neither titles nor features.*pip install 'videomem_hf\[encoders\]'"):
        load_view_data(str(release), "auto", None, progress=False, encoder="auto")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("hmp", "frame_encoder must be one of efficientnet-lite0.*got hmp"),
        ("hf:nobody/nothing", "no model can be loaded"),
        ("efficientnet-lite9", "no feature is called"),
    ],
)
def test_what_is_no_encoder_is_refused(release: Path, network: Spy, encoder: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_view_data(str(release), "auto", None, progress=False, encoder=encoder)


def test_an_encoder_needs_videos(features: Path, network: Spy) -> None:
    with pytest.raises(InputError, match=f"there are no videos for frame_encoder={NAME}"):
        load_view_data(str(features), "auto", None, progress=False, encoder=NAME)


def test_clips_that_are_done_are_kept_when_one_cannot_be_decoded(
    release: Path, network: Spy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_views, "VECTOR_CACHE", tmp_path / "vectors")
    copy = shutil.copytree(release, tmp_path / "release")
    broken = sorted(copy.rglob("*.webm"))[0]
    content = broken.read_bytes()
    broken.write_bytes(b"no video")
    before = network.clips
    with pytest.raises(InputError, match=r"1 of 34 clips failed"):
        load_view_data(str(copy), "auto", None, progress=False, encoder=NAME)
    assert network.clips == before + 33
    broken.write_bytes(content)
    assert len(load_view_data(str(copy), "auto", None, progress=False, encoder=NAME).views[NAME]) == 34
    assert network.clips == before + 34


def test_a_damaged_video_is_left_out_and_named(
    finished: TrainingResult, release: Path, network: Spy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_views, "VECTOR_CACHE", tmp_path / "vectors")
    copy = shutil.copytree(release, tmp_path / "release")
    evaluated, trained = (_ids(finished.output / f"{name}.csv") for name in ("predictions", "training_clips"))
    command = ["evaluate", str(finished.output), "--data", str(copy), "--csv", str(tmp_path / "scores.csv")]
    next(copy.rglob(f"{trained[0]}.webm")).write_bytes(b"damaged")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output  # it is no clip of the split
    assert _ids(tmp_path / "scores.csv") == evaluated
    (tmp_path / "scores.csv").unlink()
    bad = next(copy.rglob(f"{evaluated[0]}.webm"))
    bad.write_bytes(b"damaged")
    stopped = CliRunner().invoke(app, [*command, "--fail-fast"])
    assert isinstance(stopped.exception, InputError)
    assert f"{bad}: not a video" in str(stopped.exception)
    assert not (tmp_path / "scores.csv").exists()
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.count("not a video") == result.stderr.count(f"videomem: {bad}: not a video") == 1
    assert "Spearman" in result.stdout
    assert _ids(tmp_path / "scores.csv") == evaluated[1:]
    for video_id in evaluated[1:]:
        next(copy.rglob(f"{video_id}.webm")).write_bytes(b"damaged")
    nothing = CliRunner().invoke(app, command)
    assert isinstance(nothing.exception, InputError)
    assert "no clip of the split 'validation' can be decoded" in str(nothing.exception)


def _ids(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return sorted(row["video_id"] for row in csv.DictReader(file))
