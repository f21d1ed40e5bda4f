"""Frames of a video at regular times, what its header says, and which files are videos."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from videomem_hf.models.video_containers import VideoSource, source_name
from videomem_hf.models.video_decoding import VideoReader
from videomem_hf.models.video_display import upright
from videomem_hf.models.video_sampling import Segment, sample_segments
from videomem_hf.models.video_streams import UnreadableVideoError
from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = [
    "Frame", "VideoError", "VideoInfo", "VideoSource", "VideoWarning", "open_video",
    "probe", "sample_clip", "sample_frames", "source_name", "upright_rgb", "warn_of",
]  # fmt: skip


class VideoError(InputError):
    """A file from which no frame can be decoded; the message names it and the cause."""


class VideoWarning(UserWarning):
    """What is odd about a file whose frames are read, where no list takes the notes."""


@dataclass(frozen=True)
class Frame:
    """One sampled frame.

    Attributes:
        index: 0, 1, 2, ... among the sampled frames.
        time_s: Time in seconds from the first frame at which `image` is on screen.
        image: `(height, width, 3)` uint8 RGB as a player shows it: upright, with square pixels, in SDR colours.
        end_s: Time at which it leaves the screen; None where that is not known.
    """

    index: int
    time_s: float
    image: np.ndarray
    end_s: float | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What the header says; `duration_s` and `frames_per_second` are None where it says nothing."""

    codec: str
    width: int
    height: int
    duration_s: float | None
    frames_per_second: float | None


def sample_frames(
    source: VideoSource, frames_per_second: float = 1.0, notes: list[str] | None = None
) -> Iterator[Frame]:
    """Yield the frame on screen at 0, 1, 2, ... s (paper, Sec. 5.1), as the file is decoded; see `sample_segments`.

    Args:
        source: Any video that FFmpeg reads, of constant or variable frame rate.
        frames_per_second: Frames sampled per second, above 0.
        notes: A list to which one sentence is added for each unusual property of the file.

    Raises:
        VideoError: The source cannot be opened, has no picture, or none of its frames decodes.

    Warns:
        VideoWarning: Each note, where `notes` is None.
    """
    for index, segment in enumerate(_sample(source, frames_per_second, 1, None, notes)):
        yield Frame(index, segment.time_s, segment.images[0], segment.end_s)


def sample_clip(source: VideoSource, processor: Any, notes: list[str] | None = None) -> Iterator[Segment]:
    """Yield the segments that a predictor takes of a clip, by its processor's `fps`, `segment_length`, `max_segments`.

    Notes, errors and warnings are those of `sample_frames`.
    """
    return _sample(source, processor.fps, processor.segment_length, processor.max_segments, notes)


def _sample(
    source: VideoSource, frames_per_second: float, length: int, limit: int | None, notes: list[str] | None
) -> Iterator[Segment]:
    if not frames_per_second > 0:
        raise InputError(f"frames_per_second is {frames_per_second}; it must be above 0")
    found: list[str] = []
    with _as_video_errors():
        yield from sample_segments(source, frames_per_second, length, limit, notes=found if notes is None else notes)
    warn_of(source_name(source), found)


def warn_of(name: str, notes: list[str]) -> None:
    """Warn (`VideoWarning`) of what is odd about a file."""
    for note in notes:
        warnings.warn(f"{name}: {note}", VideoWarning, stacklevel=2)


@contextmanager
def open_video(source: VideoSource, threads: str = "AUTO") -> Iterator[VideoReader]:
    """Open a video for a `with` statement by `VideoReader`; raises a VideoError if it gives no frames."""
    with _as_video_errors(), VideoReader(source, threads) as reader:
        yield reader


@contextmanager
def _as_video_errors() -> Iterator[None]:
    try:
        yield
    except UnreadableVideoError as error:
        raise VideoError(str(error)) from None


def probe(source: VideoSource) -> VideoInfo:
    """Read the header of a video without decoding it. Raises VideoError as `sample_frames` does."""
    with open_video(source) as reader:
        return VideoInfo(reader.codec, *reader.size, reader.duration_s, reader.frames_per_second)


def upright_rgb(frame: "VideoFrame") -> np.ndarray:
    """Convert a decoded frame to `(height, width, 3)` uint8 RGB as FFmpeg's scaler does by default, turned upright."""
    return upright(frame, frame.to_ndarray(format="rgb24"))
