"""Batches: the processor's own numbers, padded where clips differ in length."""

import numpy as np
import torch

from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.collate import ClipCollator


def _clip(frames: int, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "frames": generator.integers(0, 256, (frames, 3, 6, 8), dtype=np.uint8),
        "labels": generator.random(2, dtype=np.float32),
        "index": np.int64(seed),
    }


def _normalised(frames: np.ndarray) -> torch.Tensor:
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.6, 0.7])
    return (torch.from_numpy(frames) / 255 - mean[:, None, None]) / std[:, None, None]


def _collator() -> ClipCollator:
    return ClipCollator(
        MemorabilityVideoProcessor(
            size={"height": 60, "width": 80},
            do_center_crop=True,
            crop_size={"height": 5, "width": 5},
            image_mean=[0.1, 0.2, 0.3],
            image_std=[0.5, 0.6, 0.7],
        )
    )


def test_clips_of_one_length_are_normalised_and_stacked_and_need_no_mask() -> None:
    clips = [_clip(4, seed) for seed in range(3)]
    batch = _collator()(clips)
    assert set(batch) == {"pixel_values_videos", "labels", "index"}
    expected = torch.stack([_normalised(clip["frames"]) for clip in clips])
    torch.testing.assert_close(batch["pixel_values_videos"], expected, atol=1e-6, rtol=0)
    assert batch["pixel_values_videos"].dtype == torch.float32
    np.testing.assert_array_equal(batch["labels"], [clip["labels"] for clip in clips])
    assert batch["index"].tolist() == [0, 1, 2]


def test_shorter_clips_are_padded_and_masked() -> None:
    clips = [_clip(2, 0), _clip(5, 1), _clip(1, 2)]
    batch = _collator()(clips)
    assert batch["frame_mask"].tolist() == [[True] * 2 + [False] * 3, [True] * 5, [True] + [False] * 4]
    for pixels, mask, clip in zip(batch["pixel_values_videos"], batch["frame_mask"], clips, strict=True):
        torch.testing.assert_close(pixels[mask], _normalised(clip["frames"]), atol=1e-6, rtol=0)
        assert not pixels[~mask].any()
