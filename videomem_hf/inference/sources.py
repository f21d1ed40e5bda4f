"""What a prediction is made from: a file, a stream, an address, a row of a data set, or frames that are at hand."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from videomem_hf.models.video_input import NamedBytes, input_name, is_frame_list, is_tensor, open_input
from videomem_hf.system import quantity
from videomem_hf.video.video import VideoError, VideoSource

__all__ = [
    "ClipSource", "NamedBytes", "each_clip", "holds_several_clips", "input_name", "is_frame_list", "open_source",
    "row_title", "segments_of_frames",
]  # fmt: skip

ClipSource = Any
"""A path, also of a pipe; an address (http://, https://, hf://) as a string; the bytes of a video file; an open binary
file; a row of a `Video` column (`{"path": ..., "bytes": ...}` or torchcodec's decoder), or of a data set with such a
column named `video`; an image; or frames: an array or tensor `(frames, height, width, 3)` or `(frames, 3, height,
width)`, uint8 RGB, or a list of images. Frames are those that are meant, one per second unless the processor's `fps`
says otherwise."""


def holds_several_clips(source: Any) -> bool:
    """Whether what a user gives is a list, column, data set or generator of clips rather than one clip."""
    if isinstance(source, list | tuple):
        return not is_frame_list(source)
    one = str | bytes | bytearray | memoryview | Mapping | os.PathLike | np.ndarray
    if (
        isinstance(source, one)
        or is_tensor(source)
        or hasattr(source, "get_frame_played_at")
        or hasattr(source, "read")
    ):
        return False
    return isinstance(source, Iterator) or hasattr(source, "__getitem__")


def row_title(source: ClipSource) -> str | None:
    """The title that a row of a data set has in its column `title`; None of anything else."""
    title = source.get("title") if isinstance(source, Mapping) else None
    return title if isinstance(title, str) and title.strip() else None


class _UnreadableRow:
    """Stands for a row of a data set whose clip cannot be read; being read, it says why."""

    def __init__(self, index: int, error: Exception) -> None:
        self.name = f"row {index}"
        self._error = error

    def read(self, size: int = -1) -> bytes:
        """Raise what the row raised."""
        raise self._error


def each_clip(sources: Any) -> Iterator[ClipSource]:
    """Take the clips of a list, column, data set or generator one by one; what a row raises is raised of its clip."""
    has_rows = hasattr(sources, "__len__") and hasattr(sources, "__getitem__")
    if isinstance(sources, list | tuple | Iterator) or not has_rows:
        yield from sources
        return
    for index in range(len(sources)):
        try:
            clip = sources[index]
        except Exception as error:
            clip = _UnreadableRow(index, error)
        yield clip


def open_source(source: ClipSource, processor: Any = None) -> VideoSource | np.ndarray:
    """Bring a source to a file that can be decoded, or to frames `(frames, height, width, 3)`.

    Args:
        source: The clip.
        processor: The model's video processor, which says what is taken of a torchcodec decoder without a file.

    Raises:
        VideoError: It is no clip, or cannot be read; names it.
    """
    names = ("fps", "segment_length", "max_segments") if processor is not None else ()
    try:
        return open_input(source, **{name: getattr(processor, name) for name in names})
    except ValueError as error:
        raise VideoError(str(error)) from None


def segments_of_frames(frames: np.ndarray, per_second: float, length: int) -> Iterator[tuple[float, list[np.ndarray]]]:
    """Cut frames that are at hand as a video processor does: all of them, `length` at a time.

    Args:
        frames: `(frames, height, width, 3)`: those that are meant, a multiple of `length`.
        per_second: How many segments stand for a second of the clip; gives the times.
        length: Frames that are scored together; 1 unless the model is a 3D network.

    Yields:
        Time in seconds, and the frames of a segment.
    """
    if len(frames) % length:
        count = quantity(len(frames), "frame")
        raise VideoError(f"{count}: this model scores {length} consecutive frames at once; give a multiple of it")
    for index in range(len(frames) // length):
        yield index / per_second, list(frames[index * length : (index + 1) * length])
