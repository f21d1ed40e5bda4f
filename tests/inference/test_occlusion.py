"""Occlusion of networks whose truth is known: they score the brightness of one region."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from videomem_hf.inference import Predictor
from videomem_hf.inference.occlusion import cover, occlude_rectangle, occlusion_maps
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError

SIDE = 60


class Bright(torch.nn.Module):
    """Scores how bright rows 20 to 40 and columns 40 to 60 are; for the second horizon, how dark."""

    config = SimpleNamespace(horizons=("short_term", "long_term"))
    weighs_frames = False

    def forward(self, pixel_values_videos: torch.Tensor | None = None, features: torch.Tensor | None = None) -> Any:
        if features is not None:
            weights = torch.arange(1.0, features.shape[1] + 1).expand(features.shape[:2])
            return SimpleNamespace(frame_scores=features, temporal_weights=weights)
        assert pixel_values_videos is not None
        bright = pixel_values_videos[..., 20:40, 40:60].mean(dim=(1, 2, 3, 4))
        return SimpleNamespace(frame_scores=torch.stack([bright, 1 - bright], dim=-1)[:, None])


class WeighsFrames(Bright):
    weighs_frames = True

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool) -> tuple[torch.Tensor, None]:
        return super().forward(pixels[:, None]).frame_scores[:, 0], None


def predictor(model: torch.nn.Module, segment_length: int = 1) -> Predictor:
    processor = MemorabilityVideoProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, do_normalize=False, segment_length=segment_length
    )
    return Predictor(model, processor, "bright", "cpu")


def clip(frames: int = 4) -> np.ndarray:
    """A white square on black, just where the network looks."""
    images = np.zeros((frames, SIDE, SIDE, 3), np.uint8)
    images[:, 20:40, 40:60] = 255
    return images


@pytest.mark.parametrize("length", [1, 2])
def test_the_cell_that_counts_is_found(length: int) -> None:
    done: list[tuple[int, int]] = []
    found = occlusion_maps(predictor(Bright(), length), clip(4), (3, 3), 2, lambda *each: done.append(each))
    assert done == [(1, 2), (2, 2)]
    assert list(found.times_s) == [0, 3 if length == 1 else 1]
    for maps, sign in ((found.changes["short_term"], -1), (found.changes["long_term"], 1)):
        assert maps.shape == (2, 3, 3)
        assert (sign * maps[:, 1, 2] > 0.3).all()
        maps[:, 1, 2] = 0
        assert np.abs(maps).max() < 0.1  # soft edges of the cells beside it


def test_the_frames_nearest_to_the_times_are_covered() -> None:
    found = occlusion_maps(predictor(Bright()), clip(6), (1, 1), [4.4, 0.0, 4.3])
    assert list(found.times_s) == [0, 4]


def test_of_a_model_that_weighs_frames_the_clips_score_changes() -> None:
    alike = occlusion_maps(predictor(Bright()), clip(4), (3, 3), 4).changes["short_term"]
    weighed = occlusion_maps(predictor(WeighsFrames()), clip(4), (3, 3), 4).changes["short_term"]
    np.testing.assert_allclose(weighed, alike * np.array([0.1, 0.2, 0.3, 0.4])[:, None, None], atol=1e-6)


@pytest.mark.parametrize("model", [Bright(), WeighsFrames()])
def test_a_rectangle_changes_the_clips_score_as_far_as_it_covers_what_counts(model: torch.nn.Module) -> None:
    found = occlude_rectangle(predictor(model), clip(), (2 / 3, 1 / 3, 1.0, 2 / 3))
    assert found["short_term"] == pytest.approx(-found["long_term"], abs=1e-6)
    assert found["short_term"] < -0.3
    beside = occlude_rectangle(predictor(model), clip(), (0.0, 0.0, 0.3, 1.0))
    assert beside["short_term"] == pytest.approx(0, abs=0.005)


def test_a_blurred_part_is_flat_and_the_rest_untouched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 90, 120, 3), dtype=np.uint8)
    covered = cover(noise, [(0.25, 1 / 3, 0.5, 2 / 3)])[0, 0].astype(float)
    assert covered[40:50, 40:50].std() < 8 < noise[0, 40:50, 40:50].std()
    np.testing.assert_array_equal(covered[:15], noise[0, :15])
    np.testing.assert_array_equal(covered[:, 80:], noise[0, :, 80:])


def test_a_map_lies_over_what_the_model_sees() -> None:
    found = occlusion_maps(predictor(Bright()), clip(1), (3, 3), 1)
    placed = found.on_frame(0, "short_term")
    assert placed.shape == (SIDE, SIDE)
    np.testing.assert_array_equal(placed.reshape(3, 20, 3, 20)[:, 7, :, 7], found.changes["short_term"][0])
    part = type(found)(found.times_s, found.images, found.changes, (0.25, 0.0, 0.75, 1.0))
    assert not part.on_frame(0, "short_term")[:, :15].any()
    assert part.on_frame(0, "short_term")[30, 44] == found.changes["short_term"][0, 1, 2]


NO_RECTANGLES = [
    (0.5, 0.5, 0.5, 0.6), (-0.1, 0, 1, 1), (0, 0, float("nan"), 1), (0, 0, 1), (0.9, 0, 0.1, 1), "0011", None, 0.5,
    ("a", 0, 1, 1),
]  # fmt: skip
NO_GRIDS = [(0, 3), (3,), (3, 3, 3), (2.5, 3), (float("nan"), 1), 5, "66", None, (10**6, 10**6)]
NO_FRAMES = [0, -1, 2.5, [], [float("nan")], [1.0, -0.1], [float("inf")], "ab", None, ["a"]]


@pytest.mark.parametrize("rectangle", NO_RECTANGLES)
def test_what_is_no_rectangle_is_refused(rectangle: Any) -> None:
    with pytest.raises(InputError, match=r"^rectangle is .*; give left, top, right and bottom as shares from 0 to 1"):
        occlude_rectangle(predictor(Bright()), clip(), rectangle)


@pytest.mark.parametrize("grid", NO_GRIDS)
def test_what_is_no_grid_is_refused(grid: Any) -> None:
    with pytest.raises(InputError, match=r"^grid is .*; give rows and columns, two whole numbers"):
        occlusion_maps(predictor(Bright()), clip(), grid)


@pytest.mark.parametrize("frames", NO_FRAMES)
def test_what_is_no_number_of_frames_and_no_times_is_refused(frames: Any) -> None:
    with pytest.raises(InputError, match=r"^frames is .*; give how many, 1 or more, or a list of times"):
        occlusion_maps(predictor(Bright()), clip(), (1, 1), frames)


def test_a_time_after_the_clip_is_refused() -> None:
    assert list(occlusion_maps(predictor(Bright()), clip(4), (1, 1), np.array([3.9])).times_s) == [3]
    assert len(occlusion_maps(predictor(Bright()), clip(4), (1, 1), np.int64(9)).times_s) == 4
    with pytest.raises(InputError, match=r"frames at 4\.5 s; the clip's sampled frames lie from 0\.0 to 3\.0 s"):
        occlusion_maps(predictor(Bright()), clip(4), (1, 1), [0, 4.5])


def test_a_model_of_features_has_nothing_to_cover() -> None:
    other: Any = SimpleNamespace(name="mlp")
    with pytest.raises(InputError, match=r"mlp: scores no frames"):
        occlusion_maps(other, clip())
    with pytest.raises(InputError, match=r"mlp: scores no frames"):
        occlude_rectangle(other, clip(), (0, 0, 1, 1))
