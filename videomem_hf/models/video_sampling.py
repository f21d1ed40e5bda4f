"""Frames of a video at regular times: the one way in which predictors, processors and caches take them."""

import math
import numbers
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from .video_containers import VideoSource
from .video_decoding import VideoReader

TIME_TOLERANCE_S = 0.0015
"""Containers such as WebM round times to 1 ms, so a frame meant for 1 s may carry 1.001 s."""


class Segment(NamedTuple):
    """Consecutive frames of a clip.

    Attributes:
        time_s: When it was sampled, in seconds from the clip's first frame.
        end_s: When its first frame leaves the screen.
        images: The frames, each `(height, width, 3)` uint8 RGB as a player shows it.
    """

    time_s: float
    end_s: float
    images: list[np.ndarray]


def sample_segments(
    source: VideoSource,
    frames_per_second: float,
    length: int = 1,
    limit: int | None = None,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
    notes: list[str] | None = None,
) -> Iterator[Segment]:
    """Yield `length` consecutive frames from the one on screen at 0, 1, 2, ... s on (paper, Sec. 5.1: a length of 1).

    A frame that is on screen at several of these times is taken once, at the first of them. A last interval that is
    under half as long as the others gives nothing, nor does a segment that the video's end cuts short; but the first is
    always there, filled up with copies of its last frame. Memory does not grow with the length of the video.

    Args:
        source: Any video that FFmpeg reads, of constant or variable frame rate.
        frames_per_second: Segments per second, above 0.
        length: Frames of a segment, at the video's own rate.
        limit: Segments at most; None for all.
        convert: Applied to each frame that is used, `(height, width, 3)` uint8 RGB, when it is decoded.
        notes: What is odd about the file is added to it, one sentence each, at the latest when all is read.

    Raises:
        ValueError: The source gives no frames; the message names it and the cause.
    """
    with VideoReader(source) as reader:
        try:
            yield from segments_of(reader, frames_per_second, length, limit, convert)
        finally:
            if notes is not None:
                notes.extend(reader.notes)


class FrameReader(Protocol):
    """What `segments_of` samples: a `VideoReader`, or another decoder in its form.

    Attributes:
        screen: Turns a frame into an image by `rgb`; read when a frame was yielded.
        end_s: When the last frame leaves the screen; read after all frames.
    """

    @property
    def screen(self) -> Any: ...

    @property
    def end_s(self) -> float: ...

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield each frame with its start in seconds, from the first."""
        ...


class _OpenSegment(NamedTuple):
    time_s: float
    end_s: float
    images: list[Callable[[], np.ndarray]]

    def close(self, length: int) -> Segment:
        images = [image() for image in self.images]
        return Segment(self.time_s, self.end_s, images + images[-1:] * (length - len(images)))


def segments_of(
    reader: FrameReader,
    frames_per_second: float,
    length: int = 1,
    limit: int | None = None,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Iterator[Segment]:
    """Sample an open reader; see `sample_segments`."""
    check_sampling(frames_per_second, length, limit)
    step, most = 1.0 / frames_per_second, limit or math.inf
    started: deque[_OpenSegment] = deque()
    held, index, count = None, 0, 0
    for start, frame in reader.frames():
        # converted once, when it is first needed
        image = cache(lambda frame=frame: convert(reader.screen.rgb(frame)))
        if held and count < most and index * step + TIME_TOLERANCE_S < start:
            started.append(_OpenSegment(index * step, start, [held]))
            count += 1
            index = max(index + 1, math.ceil((start - TIME_TOLERANCE_S) / step))
        for segment in started:
            if len(segment.images) < length:
                segment.images.append(image)
        while started and len(started[0].images) == length and start - started[0].time_s >= step / 2:
            yield started.popleft().close(length)
        if count == most and not started:
            return
        held = image
    end = reader.end_s
    if held and count < most and (index == 0 or index * step + TIME_TOLERANCE_S < end):
        started.append(_OpenSegment(index * step, end, [held]))
    for segment in started:
        complete = len(segment.images) == length and end - segment.time_s >= step / 2 - TIME_TOLERANCE_S
        if segment.time_s == 0 or complete:
            yield segment.close(length)


def check_sampling(fps: Any, segment_length: Any, max_segments: Any) -> None:
    """Refuse numbers of `sample_segments` that are none, or out of range."""
    counts = [segment_length] if max_segments is None else [segment_length, max_segments]
    fits = isinstance(fps, numbers.Real) and 0 < float(fps) < math.inf
    if not fits or not all(isinstance(count, numbers.Integral) and int(count) >= 1 for count in counts):
        raise ValueError(
            f"fps={fps!r} must be above 0; segment_length={segment_length!r}, max_segments={max_segments!r} "
            "whole numbers of at least 1"
        )
