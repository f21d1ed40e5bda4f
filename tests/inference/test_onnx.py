"""Every predictor as ONNX: equal to PyTorch, by itself and as a predictor of clips."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModel

from tests.clips import write_clip
from tests.features.media import moving_frames
from tests.inference import test_feature_predictor
from tests.inference.exported import ATTEND, OF_FRAMES, clip, exported, save
from tests.models import test_adapted, test_multiview
from videomem_hf.inference import load_predictor
from videomem_hf.inference.export import export_onnx
from videomem_hf.inference.onnx import load_onnx_predictor
from videomem_hf.inference.onnx.facts import ExportFacts
from videomem_hf.inference.onnx.processing import FrameProcessor
from videomem_hf.inference.typicality import Typicality
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.run_files import REFERENCE_FILE, TYPICALITY_FILE

__all__ = ["clip", "exported"]


@pytest.mark.parametrize("name", OF_FRAMES)
def test_clips_get_the_scores_and_maps_of_pytorch(name: str, exported: Any, clip: Path) -> None:
    run, export = exported(name)
    assert ExportFacts.read(export).checks["largest_difference_from_pytorch"] <= 1e-4
    expected = load_predictor(str(run), "cpu").predict(clip, maps=name in ATTEND)
    found = load_onnx_predictor(export).predict(clip, maps=name in ATTEND)
    assert found.scores.keys() == expected.scores.keys()
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-5)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-5)
    assert (found.caveats, found.model_version, found.notes) == (
        expected.caveats,
        expected.model_version,
        expected.notes,
    )
    if expected.temporal_weights is not None:
        np.testing.assert_allclose(found.temporal_weights, expected.temporal_weights, atol=1e-5)
    if name in ATTEND:
        np.testing.assert_allclose(found.saliency.maps, expected.saliency.maps, atol=1e-5)
        assert (found.saliency.seen, found.saliency.covered) == (expected.saliency.seen, expected.saliency.covered)


@pytest.fixture(scope="module")
def of_columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """A model of features and one of views, each with its export."""
    folder = tmp_path_factory.mktemp("columns")
    test_feature_predictor.save_model(folder / "features", ["colorhistogram", "hmp"], [2304, 6075])
    torch.manual_seed(0)
    names, sizes = ["hmp", "colorhistogram"], [6075, 2304]
    layers = {
        "view_roots": [True] * 2, "view_units": [False] * 2, "view_kernels": ["rbf"] * 2, "summands": [[0], [1]],
        "patterns": [[0, 1], [0], [1]],
    }  # fmt: skip
    model = test_multiview.TestMultiView().model(view_names=names, view_sizes=sizes, **layers)
    model.save_pretrained(folder / "views")
    found = {kind: (folder / kind, folder / f"{kind}-onnx") for kind in ("features", "views")}
    for run, export in found.values():
        export_onnx(str(run), export)
    return found


@pytest.mark.parametrize("argument", ["features", "views"])
def test_columns_are_named_inputs(argument: str, of_columns: Any) -> None:
    run, export = of_columns[argument]
    model = AutoModel.from_pretrained(run)
    session = onnxruntime.InferenceSession(str(export / "model.onnx"), providers=["CPUExecutionProvider"])
    names = list(getattr(model.config, "view_names", None) or model.config.feature_names)
    assert [each.name for each in session.get_inputs()] == names
    rng = np.random.default_rng(1)
    columns = {each.name: rng.random((5, each.shape[1]), np.float32) for each in session.get_inputs()}
    if argument == "views":
        columns[names[0]][:2] = np.nan  # clips that lack a view
    with torch.no_grad():
        expected = model(**{argument: {name: torch.from_numpy(each) for name, each in columns.items()}})
    np.testing.assert_allclose(session.run(["scores"], columns)[0], expected.scores, atol=1e-5)
    if argument == "views":
        np.testing.assert_allclose(session.run(["intervals"], columns)[0], expected.intervals, atol=1e-5)


def test_claims_travel_and_typicality_is_that_of_pytorch(clip: Path, tmp_path: Path) -> None:
    run = save(OF_FRAMES["frame attention"], tmp_path / "run")
    predictor = load_predictor(str(run), "cpu")
    groups = describe(predictor, clip)
    rng = np.random.default_rng(0)
    made_up = [
        {
            name: rows.mean(axis=0) + rng.normal(0, rows.std() + 0.1, (60, rows.shape[1]))
            for name, rows in groups.items()
        }
        for _ in range(2)
    ]
    Typicality.fit(*made_up).save(run / TYPICALITY_FILE)
    quantiles = {"short_term": list(np.linspace(0, 1, 101)), "long_term": list(np.linspace(0, 1, 101))}
    stored = {"data": "a test", "clips": 60, "quantiles": quantiles, "fits": {}, "difference_error": {}}
    (run / REFERENCE_FILE).write_text(json.dumps(stored))
    export_onnx(str(run), tmp_path / "onnx")
    expected = load_predictor(str(run), "cpu").predict(clip)
    found = load_onnx_predictor(tmp_path / "onnx").predict(clip)
    assert expected.typicality is not None
    assert found.typicality == pytest.approx(expected.typicality, abs=1e-9)
    assert found.percentiles == pytest.approx(expected.percentiles, abs=0.01)
    assert found.to_dict()["among"] == "of 60 held-out clips of a test"


def describe(predictor: Any, clip: Path) -> dict[str, np.ndarray]:
    """What describes the frames of a clip, with a model that has no typicality yet."""
    from videomem_hf.inference.frame_statistics import FrameStatistics

    statistics = FrameStatistics(predictor.model)
    pixels = torch.from_numpy(predictor.extract(clip)[0]["pixel_values_videos"])[:, None]
    with torch.no_grad():
        predictor.model(pixel_values_videos=pixels)
    found = {name: values.numpy() for name, values in statistics.describe(pixels).items()}
    statistics.close()
    return found


def test_an_adapted_model_has_its_intervals(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = save(test_adapted.TestAdapted, tmp_path / "run")
    export_onnx(str(run), tmp_path / "onnx")
    expected = load_predictor(str(run), "cpu").predict(clip)
    predictor, ran = load_onnx_predictor(tmp_path / "onnx"), []
    run_part = predictor.model.run
    monkeypatch.setattr(predictor.model, "run", lambda part, inputs: (ran.append(part), run_part(part, inputs))[1])
    found = predictor.predict(clip)
    assert ran.count("clip") == 1
    assert expected.intervals is not None
    assert found.intervals is not None
    for horizon, (low, high) in expected.intervals.items():
        assert found.intervals[horizon] == pytest.approx((low, high), abs=1e-5)
        assert low < high
    assert found.interval_level == expected.interval_level


def test_a_model_of_features_extracts_them_of_a_clip(of_columns: Any, tmp_path: Path) -> None:
    longer = write_clip(tmp_path / "c.webm", moving_frames(12, seed=1))
    run, export = of_columns["features"]
    expected, found = load_predictor(str(run), "cpu").predict(longer), load_onnx_predictor(export).predict(longer)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-6)
    assert found.scores.keys() == expected.scores.keys()


def test_a_model_of_views_takes_those_that_a_clip_has(of_columns: Any, tmp_path: Path) -> None:
    longer = write_clip(tmp_path / "c.webm", moving_frames(12, seed=1))
    run, export = of_columns["views"]
    expected, found = load_predictor(str(run), "cpu").predict(longer), load_onnx_predictor(export).predict(longer)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-5)
    assert found.intervals.keys() == expected.intervals.keys()
    for horizon, ends in expected.intervals.items():
        assert found.intervals[horizon] == pytest.approx(ends, abs=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 40, "width": 50}, "do_normalize": False},
        {"size": {"shortest_edge": 41}, "do_center_crop": True, "crop_size": {"height": 32, "width": 37}},
        {"size": {"height": 20, "width": 21}, "do_center_crop": True, "crop_size": {"height": 25, "width": 24}},
        {"size": {"height": 30, "width": 30}, "do_rescale": False, "image_mean": [90, 98, 102], "image_std": [1, 1, 1]},
    ],
)
def test_pixels_are_those_of_the_video_processor(settings: dict[str, Any]) -> None:
    processor = MemorabilityVideoProcessor(**settings)
    stored = {name: getattr(processor, name) for name in FrameProcessor.__dataclass_fields__}
    ours = FrameProcessor.of(stored | {name: dict(stored[name]) for name in ("size", "crop_size")})
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
    expected = processor(videos=[frames], do_sample_frames=False, return_tensors="np")["pixel_values_videos"][0]
    found = ours.normalize(np.stack([ours.resize_frame(frame) for frame in frames]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=1e-6)


@pytest.mark.slow
def test_published_resmem(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("resmem")
    export_onnx("resmem", tmp_path / "onnx")
    expected = load_predictor("resmem", "cpu").predict(clip)
    found = load_onnx_predictor(tmp_path / "onnx").predict(clip)
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-4)
