"""Predictions of a model that weighs frames: the joint map, the weights, and what is drawn of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.clips import write_clip
from videomem_hf.analysis.clip_figure import overlay
from videomem_hf.inference import Predictor, Saliency, load_predictor
from videomem_hf.inference import predictor as predictor_module
from videomem_hf.inference.saliency import covered_by_cells, place_on_frame
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.modeling_spatiotemporal import SpatioTemporalModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError

TINY = {"hidden_sizes": [4, 6], "output_stride": 4}


def _predictor(**changes: Any) -> Predictor:
    torch.manual_seed(0)
    config = SpatioTemporalConfig(backbone_config=TINY, feature_size=8, **changes)
    model = SpatioTemporalModel(config)
    torch.nn.init.normal_(model.head.weight)
    if model.temporal_attention is not None:
        torch.nn.init.normal_(model.temporal_attention.score.weight, std=30.0)
    return Predictor(model, MemorabilityVideoProcessor(size={"height": 32, "width": 48}), "tiny", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds, each of other blocks of colour."""
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(10)]
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", frames, fps=2)


@pytest.mark.parametrize("temporal", ["attention", "gru"])
def test_a_prediction_is_what_the_model_gives_of_the_whole_clip(clip: Path, temporal: str, monkeypatch: Any) -> None:
    """Frames are scored a few at a time, but weighed against all others of their clip."""
    monkeypatch.setattr(predictor_module, "FRAMES_PER_BATCH", 2)
    predictor = _predictor(temporal=temporal)
    prediction = predictor.predict(clip, stills=5, maps=True)
    with torch.no_grad():
        pixels = predictor.processor(videos=[str(clip)], return_tensors="pt")["pixel_values_videos"]
        expected = predictor.model(pixel_values_videos=pixels, output_attentions=True)
    weights = expected.temporal_weights[0].numpy()
    assert weights.std() > 0.01
    assert prediction.saliency_method == "spatio-temporal attention"
    np.testing.assert_allclose(prediction.temporal_weights, weights, atol=1e-5)
    np.testing.assert_allclose(list(prediction.scores.values()), expected.scores[0], atol=1e-5)
    np.testing.assert_allclose(prediction.frame_scores, expected.frame_scores[0], atol=1e-5)
    joint = expected.attentions[0] * expected.temporal_weights[0, :, None, None]
    np.testing.assert_allclose(prediction.saliency.maps, joint, atol=1e-5)
    assert prediction.saliency.maps.sum() == pytest.approx(1, abs=1e-5)
    for i, still in enumerate(prediction.stills):
        assert still.saliency.sum() == pytest.approx(weights[i] / weights.max(), abs=1e-4)
        np.testing.assert_allclose(list(still.scores.values()), expected.frame_scores[0, i], atol=1e-5)
        shown = prediction.saliency.at(still.time_s, still.image.shape[:2])
        np.testing.assert_allclose(shown, still.saliency, atol=1e-6)


def test_as_json_every_frame_has_its_weight(clip: Path) -> None:
    prediction = _predictor().predict(clip, maps=True)
    stored = json.loads(json.dumps(prediction.to_dict()))
    weights = [frame["weight"] for frame in stored["frames"]]
    assert sum(weights) == pytest.approx(1)
    assert stored["short_term"] == pytest.approx(
        sum(weight * frame["short_term"] for weight, frame in zip(weights, stored["frames"], strict=True))
    )
    np.testing.assert_allclose(np.sum(stored["saliency"]["maps"], axis=(1, 2)), weights, atol=1e-6)
    assert stored["saliency"]["method"] == "spatio-temporal attention"


def test_without_temporal_attention_it_is_explained_as_a_frame_network(clip: Path) -> None:
    prediction = _predictor(temporal="mean").predict(clip, stills=2, maps=True)
    assert prediction.temporal_weights is None
    assert prediction.saliency_method == "attention"
    np.testing.assert_allclose(prediction.saliency.maps.sum(axis=(1, 2)), 1, atol=1e-5)
    assert all("weight" not in frame for frame in prediction.to_dict()["frames"])


def test_without_spatial_attention_grad_cam_is_weighed(clip: Path) -> None:
    prediction = _predictor(spatial_attention=False).predict(clip, maps=True)
    assert prediction.saliency_method == "Grad-CAM and temporal attention"
    sums = prediction.saliency.maps.sum(axis=(1, 2))
    assert sums.any()
    np.testing.assert_allclose(sums[sums > 0], prediction.temporal_weights[sums > 0], atol=1e-5)


def test_two_clips_in_one_batch_are_weighed_apart(clip: Path) -> None:
    predictor = _predictor()
    alone = predictor.predict(clip)
    first, second = predictor.predict_many([clip, clip])
    for found in (first, second):
        np.testing.assert_allclose(found.temporal_weights, alone.temporal_weights, atol=1e-6)


def test_between_samples_maps_fade() -> None:
    maps = np.zeros((2, 2, 2), dtype=np.float32)
    maps[0, 0, 0], maps[1, 1, 1] = 0.2, 0.8
    saliency = Saliency(np.array([0.0, 1.0]), maps, (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0))
    for time_s, total in ((0.0, 0.25), (1.0, 1.0), (0.5, 0.625), (5.0, 1.0)):
        assert saliency.at(time_s, (12, 12)).sum() == pytest.approx(total, abs=1e-5)
    placed = place_on_frame(maps[0], (12, 12), saliency.seen, saliency.covered)
    np.testing.assert_allclose(saliency.at(0.0, (12, 12)), placed / 4, atol=1e-6)


def test_a_frame_that_counts_less_is_drawn_fainter() -> None:
    image, map_ = np.full((4, 6, 3), 100, dtype=np.uint8), np.zeros((4, 6), dtype=np.float32)
    map_[1, 2] = 1.0
    grey = overlay(image, None).astype(int)
    difference = [np.abs(overlay(image, map_ * weight) - grey).sum() for weight in (1.0, 0.5, 0.1)]
    assert difference[0] > 2 * difference[1] > 4 * difference[2] > 0


@pytest.mark.parametrize("kind", ["frame_attention", "memnet"])
def test_cells_lie_where_the_backbone_looks(kind: str) -> None:
    """By the gradient of a cell in the middle to the pixels; MemNet's are not centred on the frame's edge."""
    torch.manual_seed(0)
    own = {"memnet": {"image_size": 231, "crop_size": 227, "conv_channels": [4, 4, 4, 4, 4]}}.get(kind)
    model = SpatioTemporalModel(SpatioTemporalConfig(backbone=kind, backbone_config=own)).eval()
    side = 231 if kind == "memnet" else 184
    pixels = torch.rand(1, 3, side, side, requires_grad=True)
    maps = model.map_frames(pixels)
    if kind == "memnet":  # rectified: a cell that is silent depends on nothing
        model.backbone.conv5.bias.data += 100.0
        maps = model.map_frames(pixels)
    rows = maps.shape[-2]
    middle = rows // 2
    gradient = torch.autograd.grad(maps[0, :, middle, middle].sum(), pixels)[0].abs().sum(dim=(0, 1))
    seen = gradient.sum(dim=1).nonzero()
    centre = float(seen.min() + seen.max() + 1) / 2
    left, top, right, bottom = covered_by_cells(model, (side, side))
    assert (left, right) == (top, bottom)
    assert centre == pytest.approx((top + (middle + 0.5) * (bottom - top) / rows) * side, abs=3)


def test_a_model_without_a_backbone_cannot_predict_clips(tmp_path: Path) -> None:
    SpatioTemporalModel(SpatioTemporalConfig(backbone=None, map_channels=4)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no backbone and is given maps by your own code"):
        load_predictor(str(tmp_path))
