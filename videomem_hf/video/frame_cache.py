"""Frames of clips as a predictor takes them in, decoded once and kept on disk.

Decoding a clip costs a hundred times more than reading its few small frames back.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from .clip_cache import ClipCache
from .sources import Source, process, segments

_FORMAT: Final = 4
_SHAPING_KEYS: Final = (
    "video_processor_type", "do_resize", "size", "resample", "do_center_crop", "crop_size", "fps", "segment_length",
    "max_segments",
)  # fmt: skip
"""What of a processor's configuration the cached frames depend on; rescaling and normalisation come after the cache."""
_FRAMES_AT_ONCE: Final = 8


class FrameCache(ClipCache):
    """Sampled, resized and cropped frames of clips, `(frames, 3, height, width)` uint8 each.

    Threads fill it: PyAV and Pillow let go of the interpreter's lock, and a process would first import torch.

    Args:
        folder, limit_gb: As of `ClipCache`.
        processor: The predictor's video processor. Its sampling, sizes and resampling are used.
    """

    holds: ClassVar[str] = "frames"
    work: ClassVar[str] = "decoding"

    def __init__(self, folder: str | Path, processor: Any, limit_gb: float | None = None) -> None:
        config = processor.to_dict()
        super().__init__(folder, {"format": _FORMAT} | {key: config.get(key) for key in _SHAPING_KEYS}, limit_gb)
        self._processor = processor

    def pieces(self, source: Source) -> Iterator[np.ndarray]:
        """Decode a few frames at a time, so that a long 4k clip stays out of memory."""
        pieces = segments(source, self._processor)
        while some := list(islice(pieces, _FRAMES_AT_ONCE)):
            small = np.stack([self._processor.resize_frame(frame) for segment in some for frame in segment])
            yield process(self._processor, small, skip=("resize", "rescale", "normalize"), return_tensors="np")
