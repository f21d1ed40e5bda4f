"""Frames of a video file at regular times, decoded with PyAV in one pass: how a video processor reads clips."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VideoSource = str | Path | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object that can seek."""

TIME_TOLERANCE_S = 0.0015
"""Containers such as WebM round times to 1 ms, so a frame meant for 1 s may carry 1.001 s."""


def sample_segments(
    source: VideoSource,
    frames_per_second: float,
    length: int = 1,
    limit: int | None = None,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Iterator[tuple[float, list[np.ndarray]]]:
    """Yield `length` consecutive frames from the one on screen at 0, 1, 2, ... s on (paper, Sec. 5.1: a length of 1).

    A last interval that is under half as long as the others gives nothing, nor does a segment that the video's end cuts
    short; but the first is always there, filled up with copies of its last frame.

    Args:
        source: Any video that FFmpeg reads, of constant or variable frame rate.
        frames_per_second: Segments begun per second, above 0.
        length: Frames of a segment, at the video's own rate.
        limit: Segments at most; None for all.
        convert: Applied to each frame that is used, `(height, width, 3)` uint8 RGB, when it is decoded.

    Yields:
        Start in seconds from the first frame, and the frames.

    Raises:
        ValueError: The source gives no frames; the message names it and the cause.
    """
    if not frames_per_second > 0 or length < 1 or (limit is not None and limit < 1):
        raise ValueError(
            f"fps={frames_per_second} must be above 0; segment_length={length}, max_segments={limit} at least 1"
        )
    pictures = ((start, end, _Picture(frame, convert)) for start, end, frame in _timed_frames(source))
    for time_s, segment in _segments(pictures, 1.0 / frames_per_second, length, limit):
        yield time_s, [picture.image for picture in segment]


class _Picture:
    """A decoded frame that is converted once, when it is first needed."""

    def __init__(self, frame: "VideoFrame", convert: Callable[[np.ndarray], np.ndarray]) -> None:
        self.frame, self.convert = frame, convert

    @cached_property
    def image(self) -> np.ndarray:
        image = self.frame.to_ndarray(format="rgb24")
        # A phone records how it was held; turn the picture upright.
        return self.convert(np.ascontiguousarray(np.rot90(image, round(self.frame.rotation / 90) % 4)))


def _segments(
    pictures: Iterator[tuple[float, float, _Picture]], step: float, length: int, limit: int | None
) -> Iterator[tuple[float, list[_Picture]]]:
    begun: list[tuple[float, list[_Picture]]] = []
    held, end, count = None, 0.0, 0
    most = np.inf if limit is None else limit
    for start, picture_end, picture in pictures:
        while held and count < most and count * step + TIME_TOLERANCE_S < start:
            begun.append((count * step, [held]))
            count += 1
        for _, segment in begun:
            if len(segment) < length:
                segment.append(picture)
        while begun and len(begun[0][1]) == length and start - begun[0][0] >= step / 2:
            yield begun.pop(0)
        if count == most and not begun:
            return
        held, end = picture, picture_end
    while held and count < most and (count == 0 or count * step + TIME_TOLERANCE_S < end):
        begun.append((count * step, [held]))
        count += 1
    for time_s, segment in begun:
        if time_s == 0 or (len(segment) == length and end - time_s >= step / 2 - TIME_TOLERANCE_S):
            yield time_s, segment + segment[-1:] * (length - len(segment))


def _timed_frames(source: VideoSource) -> Iterator[tuple[float, float, "VideoFrame"]]:
    """Yield (start, end, frame) in seconds from the first frame; damaged parts are passed over."""
    with _open(source) as (container, stream):
        nominal = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        first, last_start = None, -nominal
        for frame in _decode(container, stream):
            stamp = frame.time if frame.time is not None else last_start + nominal + (first or 0.0)
            first = stamp if first is None else first
            # A stamp that runs backwards (joined or damaged files) holds the place of its predecessor.
            last_start = max(stamp - first, last_start, 0.0)
            length = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else nominal
            yield last_start, last_start + length, frame
        if first is None:
            raise ValueError(f"{_name(source)}: no frame of this video could be decoded")


def _decode(container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
    import av

    packets = container.demux(stream)
    while True:
        try:
            yield from next(packets).decode()
        except (StopIteration, EOFError):  # PyAV's end of file is an EOFError
            return
        except av.FFmpegError:
            continue


@contextmanager
def _open(source: VideoSource) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    import av

    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(source).open("rb")) if isinstance(source, str | Path) else source
            file = BytesIO(file) if isinstance(file, bytes) else file
            # A playlist names other files and addresses: FFmpeg gets the open file and may open nothing else.
            container = stack.enter_context(av.open(file, mode="r", options={"protocol_whitelist": "none"}))
        except (OSError, av.FFmpegError, ValueError) as error:
            raise ValueError(f"{_name(source)}: not a video that FFmpeg can read ({error})") from None
        cover = av.stream.Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & cover and s.codec_context is not None]
        if not streams:
            raise ValueError(f"{_name(source)}: holds no moving picture that can be decoded")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def _name(source: VideoSource) -> str:
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the given bytes"))
