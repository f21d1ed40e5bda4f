"""The processor, the training cache and `predict` take the same frames."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import grey_levels, write_clip
from videomem_hf.inference import Predictor
from videomem_hf.models.modeling_memorability import MemorabilityOutput
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.frame_cache import FrameCache


class Brightness(torch.nn.Module):
    """Scores a segment by its mean brightness, by which one sees which frames it had."""

    class config:  # noqa: N801 - as of a model
        horizons = ("short_term",)

    def forward(self, pixel_values_videos: torch.Tensor) -> MemorabilityOutput:
        frames = pixel_values_videos.flatten(2).mean(dim=2)
        length = self.length
        scores = frames.reshape(len(frames), -1, length).mean(dim=2)[..., None]
        return MemorabilityOutput(scores=scores.mean(dim=1), frame_scores=scores)

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length


@pytest.mark.parametrize(("length", "limit", "taken"), [(1, 3, 3), (1, None, 7), (4, 2, 2), (4, None, 7), (1, 100, 7)])
def test_all_take_the_same_frames(length: int, limit: int | None, taken: int, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.webm", grey_levels(168))
    processor = MemorabilityVideoProcessor(
        size={"height": 24, "width": 32}, do_normalize=False, segment_length=length, max_segments=limit
    )
    cache = FrameCache(tmp_path / "cache", processor)
    cache.fill([clip], progress=False)
    cached = cache.load(clip)
    prepared = processor(videos=clip, return_tensors="pt")["pixel_values_videos"][0]
    assert len(cached) == len(prepared) == taken * length
    np.testing.assert_allclose(prepared * 255, cached, atol=1e-4)
    prediction = Predictor(Brightness(length), processor, "brightness", device="cpu").predict(clip)
    np.testing.assert_array_equal(prediction.times_s, range(taken))
    expected = cached.reshape(taken, -1).mean(axis=1) / 255
    np.testing.assert_allclose(prediction.frame_scores[:, 0], expected, atol=1e-5)
    assert prediction.scores["short_term"] == pytest.approx(expected.mean(), abs=1e-5)
