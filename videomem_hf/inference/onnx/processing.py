"""Frames as an exported network takes them: the arithmetic of `MemorabilityVideoProcessor` in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from videomem_hf.models.frame_resizing import resize_frame

_SIDES = ("height", "width", "shortest_edge")


@dataclass(frozen=True)
class FrameProcessor:
    """What is saved of a video processor; see `MemorabilityVideoProcessor` for the fields."""

    fps: float
    segment_length: int
    max_segments: int | None
    size: Mapping[str, int | None]
    crop_size: Mapping[str, int | None]
    resample: int
    do_resize: bool
    do_center_crop: bool
    do_rescale: bool
    rescale_factor: float
    do_normalize: bool
    image_mean: tuple[float, ...]
    image_std: tuple[float, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "FrameProcessor":
        """Take the fields of a video processor, or of a file that holds them."""
        values = {each.name: stored[each.name] for each in fields(cls)}
        for name in ("size", "crop_size"):
            values[name] = {side: (values[name] or {}).get(side) for side in _SIDES}
        found = cls(**values)
        if len(found.image_mean) != 3 or len(found.image_std) != 3 or found.segment_length < 1 or not found.fps > 0:
            raise ValueError("a processor needs a rate, segments, and mean and deviation of three colours")
        return found

    def resize_frame(self, frame: np.ndarray) -> np.ndarray:
        """Bring one frame `(height, width, 3)` uint8 to `size`."""
        return resize_frame(frame, self.size, self.resample) if self.do_resize else frame

    def normalize(self, frames: np.ndarray) -> np.ndarray:
        """Bring resized frames `(n, height, width, 3)` uint8 to pixels `(n, 3, height, width)` float32."""
        if self.do_center_crop:
            frames = _center_crop(frames, int(self.crop_size["height"] or 0), int(self.crop_size["width"] or 0))
        pixels = frames.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        scale = self.rescale_factor if self.do_rescale else 1.0
        if self.do_normalize:
            # In this order as transformers does, which folds the scale into mean and deviation.
            pixels -= (np.array(self.image_mean) / scale).astype(np.float32)[:, None, None]
            pixels /= (np.array(self.image_std) / scale).astype(np.float32)[:, None, None]
        elif self.do_rescale:
            pixels *= np.float32(scale)
        return pixels


def _center_crop(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut out the middle of frames `(n, height, width, 3)`, rounded as torchvision does; black where they end."""
    missing = [max(0, wanted - side) for wanted, side in zip((height, width), frames.shape[1:3], strict=True)]
    if any(missing):
        # As torchvision: the odd pixel of padding lies below and to the right.
        frames = np.pad(frames, [(0, 0), *((each // 2, (each + 1) // 2) for each in missing), (0, 0)])
    top, left = (round((side - wanted) / 2) for side, wanted in zip(frames.shape[1:3], (height, width), strict=True))
    return frames[:, top : top + height, left : left + width]
