"""What a prediction is made from: a video, or frames that are at hand already."""

from collections.abc import Iterator

import numpy as np

from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, VideoSource, source_name

ClipSource = VideoSource | np.ndarray
"""A path, the bytes of a video file, an open binary file, or frames `(frames, height, width, 3)` uint8 RGB."""


def check_source(source: object) -> None:
    """Refuse what is no `ClipSource`."""
    if isinstance(source, np.ndarray):
        if source.ndim != 4 or source.shape[3] != 3 or source.dtype != np.uint8 or 0 in source.shape:
            raise InputError(
                f"frames of shape {source.shape}, {source.dtype}: must be (frames, height, width, 3), uint8 RGB, "
                "at least one of each"
            )
    elif not isinstance(source, str | bytes) and not hasattr(source, "__fspath__") and not hasattr(source, "read"):
        raise InputError(
            f"a {type(source).__name__} is no clip; give a path, the bytes of a video file, an open binary file, "
            "or frames (frames, height, width, 3)"
        )


def clip_name(source: ClipSource) -> str:
    """A short name for messages and tables."""
    return "the given frames" if isinstance(source, np.ndarray) else source_name(source)


def segments_of_frames(frames: np.ndarray, per_second: float, length: int) -> Iterator[tuple[float, list[np.ndarray]]]:
    """Cut frames that are at hand as a video processor does: all of them, `length` at a time.

    Args:
        frames: `(frames, height, width, 3)`: those that are meant, a multiple of `length`.
        per_second: How many segments stand for a second of the clip; gives the times.
        length: Frames that are scored together; 1 unless the model is a network of clips.

    Yields:
        Time in seconds, and the frames of a segment.
    """
    if len(frames) % length:
        raise VideoError(
            f"{len(frames)} frames: this model scores {length} consecutive frames at once; give a multiple of it"
        )
    for index in range(len(frames) // length):
        yield index / per_second, list(frames[index * length : (index + 1) * length])
