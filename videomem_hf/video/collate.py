"""Batches of clips for a predictor's `forward`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .sources import process


class ClipCollator:
    """Rescales and normalises cached frames with the predictor's own processor and stacks clips.

    Clips that differ in length are padded, and `frame_mask` marks their frames; clips of one length have none.

    Args:
        processor: The predictor's video processor; its resizing and cropping are not repeated.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, clips: Sequence[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
        """Collate clips, each with `frames` `(frames, 3, height, width)` uint8; all other entries are stacked.

        Returns:
            `pixel_values_videos` `(batch, frames, 3, height, width)` float32, `frame_mask` `(batch, frames)` bool where
            lengths differ, and the other entries as tensors with the batch as their first axis.
        """
        lengths = [len(clip["frames"]) for clip in clips]
        frames = torch.from_numpy(np.concatenate([clip["frames"] for clip in clips]))
        # all in one call, which costs as much as dozens of small frames
        options = {"input_data_format": "channels_first", "return_tensors": "pt"}
        pixels = process(self._processor, frames, skip=("resize", "center_crop"), **options)
        return _pad_and_stack(clips, "frames", "pixel_values_videos", list(pixels.split(lengths)))


def collate_maps(clips: Sequence[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Stack clips of cached maps, as `ClipCollator` does frames.

    `frame_maps` of each clip, `(frames, channels, height, width)` of half or single precision, become one tensor
    `(batch, frames, channels, height, width)` float32.
    """
    maps = [torch.from_numpy(np.asarray(clip["frame_maps"], dtype=np.float32)) for clip in clips]
    return _pad_and_stack(clips, "frame_maps", "frame_maps", maps)


def _pad_and_stack(
    clips: Sequence[dict[str, np.ndarray]], key: str, output_key: str, values: list[torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Pad `values`, one tensor of frames per clip, under `output_key`, and stack all that clips have besides `key`."""
    lengths = [len(each) for each in values]
    batch = {name: torch.from_numpy(np.stack([clip[name] for clip in clips])) for name in clips[0] if name != key}
    batch[output_key] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
    if len(set(lengths)) > 1:
        batch["frame_mask"] = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return batch
