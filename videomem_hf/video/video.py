"""Frames of a video at regular times, decoded with PyAV in one pass and bounded memory."""

import io
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from videomem_hf.schema import VIDEO_SUFFIXES, InputError, is_system_file

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VideoSource = str | Path | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object that can seek."""

TIME_TOLERANCE_S = 0.0015
"""Containers such as WebM round times to 1 ms, so a frame meant for 1 s may carry 1.001 s."""


class VideoError(InputError):
    """A file that gives no frames; the message names it and the cause."""


class VideoWarning(UserWarning):
    """A file that gives frames, but not all that it announces."""


@dataclass(frozen=True)
class Frame:
    """One sampled frame.

    Attributes:
        index: 0, 1, 2, ... among the sampled frames.
        time_s: Time in seconds from the first frame at which `image` is on screen.
        image: `(height, width, 3)` uint8 RGB, upright (the rotation that a phone writes is applied).
    """

    index: int
    time_s: float
    image: np.ndarray


@dataclass(frozen=True)
class VideoInfo:
    """What the header says; `duration_s` and `frames_per_second` are None where it says nothing."""

    codec: str
    width: int
    height: int
    duration_s: float | None
    frames_per_second: float | None


def sample_frames(source: VideoSource, frames_per_second: float = 1.0) -> Iterator[Frame]:
    """Yield the frame on screen at 0, 1, 2, ... s (paper, Sec. 5.1), as the file is decoded.

    A last interval that is under half as long as the others gives no frame, so that a clip of nominally 7 s has 7.
    There is at least one. Memory does not grow with the length of the video.

    Args:
        source: Any video that FFmpeg reads, of constant or variable frame rate.
        frames_per_second: Frames sampled per second, above 0.

    Raises:
        VideoError: The source cannot be opened, has no picture, or none of its frames decodes.

    Warns:
        VideoWarning: Damaged parts were passed over, or the video ends before the length in its header.
    """
    if not frames_per_second > 0:
        raise InputError(f"frames_per_second is {frames_per_second}; it must be above 0")
    step = 1.0 / frames_per_second
    for index, (time_s, frame) in enumerate(_held_at(_timed_frames(source), step)):
        yield Frame(index, time_s, upright_rgb(frame))


def probe(source: VideoSource) -> VideoInfo:
    """Read the header of a video without decoding it. Raises VideoError as `sample_frames` does."""
    with open_container(source) as container:
        stream = picture_stream(container, source)
        rate = float(stream.average_rate) if stream.average_rate else None
        context = stream.codec_context
        return VideoInfo(
            context.name,
            context.width,
            context.height,
            header_duration(container, stream),
            float(rate) if rate else None,
        )


def find_videos(arguments: list[str]) -> list[Path]:
    """Files named by paths, folders (searched to any depth, by ending) and glob patterns, in order, each once.

    Raises:
        InputError: An argument matches nothing; the message says what was looked for.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            matches = _clips_among(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            missing = f"{argument}: the folder holds no file that ends in {', '.join(sorted(VIDEO_SUFFIXES))}"
        elif path.exists() or not any(c in argument for c in "*?["):
            matches, missing = [path] if path.exists() else [], f"{argument}: no such file or folder"
        else:
            root = Path(path.anchor) if path.is_absolute() else Path()
            pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
            matches = _clips_among(root.glob(pattern))
            missing = f"{argument}: the pattern matches no file"
        if not matches:
            raise InputError(missing)
        found.update(dict.fromkeys(matches))
    return list(found)


def _clips_among(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and not is_system_file(path))


def upright_rgb(frame: "VideoFrame") -> np.ndarray:
    """Convert a decoded frame to `(height, width, 3)` uint8 RGB and undo the rotation recorded by the camera."""
    image = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def source_name(source: VideoSource) -> str:
    """A short name for messages and tables."""
    if isinstance(source, (str, Path)):
        return str(source)
    return str(getattr(source, "name", "the given bytes"))


@contextmanager
def open_container(source: VideoSource) -> "Iterator[InputContainer]":
    """Open a file, bytes or an open file with FFmpeg, which may open nothing else.

    Raises:
        VideoError: It is missing, empty or no video; names it.
    """
    import av

    name = source_name(source)
    with ExitStack() as stack:
        if isinstance(source, (str, Path)):
            file: BinaryIO = stack.enter_context(_open_file(Path(source)))
        else:
            file = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            # A playlist names other files and addresses: FFmpeg gets the open file and may open nothing else.
            container = stack.enter_context(av.open(file, "r", options={"protocol_whitelist": "none"}))
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"{name}: not a video that FFmpeg can read ({_cause(error)})") from None
        yield container


def _open_file(path: Path) -> BinaryIO:
    try:
        if path.stat().st_size == 0 and path.is_file():
            raise VideoError(f"{path}: the file is empty (0 bytes)")
        return path.open("rb")
    except OSError as error:
        raise VideoError(f"{path}: cannot be opened ({_cause(error)})") from None


def picture_stream(container: "InputContainer", source: VideoSource) -> "VideoStream":
    """Give the first stream of moving pictures; cover art is none.

    Raises:
        VideoError: There is none, or no decoder for it.
    """
    import av

    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not (s.disposition & cover)]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "an empty container"
        raise VideoError(f"{source_name(source)}: holds no moving picture, only {kinds}")
    stream = streams[0]
    if stream.codec_context is None:
        raise VideoError(f"{source_name(source)}: this build of FFmpeg has no decoder for its video")
    return stream


def _timed_frames(source: VideoSource) -> Iterator[tuple[float, float, "VideoFrame"]]:
    """Yield (start, end, frame) in seconds from the first frame; passes over damaged packets with one warning."""
    name = source_name(source)
    with open_container(source) as container:
        stream = picture_stream(container, source)
        stream.thread_type = "AUTO"
        announced = header_duration(container, stream)
        nominal = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        first, start, last_start, damaged, cause = None, 0.0, -nominal, 0, ""
        for outcome in decode_stream(container, stream):
            if isinstance(outcome, str):
                damaged, cause = damaged + 1, outcome
                continue
            stamp = outcome.time if outcome.time is not None else last_start + nominal + (first or 0.0)
            first = stamp if first is None else first
            # A stamp that runs backwards (joined or damaged files) holds the place of its predecessor.
            start = max(stamp - first, last_start, 0.0)
            length = float(outcome.duration * outcome.time_base) if outcome.duration and outcome.time_base else nominal
            last_start = start
            yield start, start + length, outcome
        if first is None:
            raise VideoError(f"{name}: no frame could be decoded ({cause or 'the stream is empty'})")
        warn_if_incomplete(name, damaged, cause, start + nominal, announced)


def decode_stream(container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame | str]":
    """Yield decoded frames, and the cause of failure in place of each packet that does not decode."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            yield from packet.decode()
        except StopIteration:
            return
        except (EOFError, av.EOFError):
            return
        except av.FFmpegError as error:
            yield _cause(error)


def _held_at(timed: Iterator[tuple[float, float, "VideoFrame"]], step: float) -> Iterator[tuple[float, "VideoFrame"]]:
    """Yield (time, frame on screen then) at multiples of `step`, leaving out a last interval under half a step."""
    pending: deque[tuple[float, VideoFrame]] = deque()
    held, end, count = None, 0.0, 0
    for start, frame_end, frame in timed:
        while held is not None and count * step + TIME_TOLERANCE_S < start:
            pending.append((count * step, held))
            count += 1
            while pending and start - pending[0][0] >= step / 2:
                yield pending.popleft()
        held, end = frame, frame_end
        while pending and start - pending[0][0] >= step / 2:
            yield pending.popleft()
    while held is not None and (count == 0 or count * step + TIME_TOLERANCE_S < end):
        pending.append((count * step, held))
        count += 1
    for time_s, frame in pending:
        if time_s == 0 or end - time_s >= step / 2 - TIME_TOLERANCE_S:
            yield time_s, frame


def header_duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """Duration in seconds that the file announces, None where it does not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def warn_if_incomplete(name: str, damaged: int, cause: str, end: float, announced: float | None) -> None:
    """Warn (`VideoWarning`) of damaged packets, or of pictures that end, at `end` s, well before what was announced."""
    if damaged:
        warnings.warn(f"{name}: {damaged} damaged part(s) passed over ({cause})", VideoWarning, stacklevel=2)
    elif announced and announced - end > max(1.0, 0.1 * announced):
        message = f"{name}: the picture ends at {end:.1f} s although the header says {announced:.1f} s"
        warnings.warn(message, VideoWarning, stacklevel=2)


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".").lower()
