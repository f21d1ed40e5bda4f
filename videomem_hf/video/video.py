"""Frames of a video at regular times, what its header says, and which files are videos."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videomem_hf.models.video_containers import VideoSource, slashes_hint, source_name
from videomem_hf.models.video_decoding import VideoReader
from videomem_hf.models.video_display import upright
from videomem_hf.models.video_sampling import Segment, sample_segments
from videomem_hf.models.video_streams import UnreadableVideoError
from videomem_hf.schema import VIDEO_SUFFIXES, InputError, is_system_file

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = [
    "Frame", "VideoError", "VideoInfo", "VideoSource", "VideoWarning", "expand_user", "find_videos", "open_video",
    "probe", "sample_clip", "sample_frames", "source_name", "upright_rgb", "warn_of",
]  # fmt: skip


NOT_THERE = "no such file or folder"
"""How `find_videos` says it."""


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


def find_videos(arguments: list[str], skipped: list[Path] | None = None) -> list[Path]:
    """Files named by paths, folders (searched to any depth, by ending) and glob patterns, in order, each once.

    Links that lead nowhere, pipes and devices in folders are left out, and added to `skipped`. An argument that matches
    nothing raises an InputError that says what was looked for.
    """
    skipped = [] if skipped is None else skipped
    found: dict[Path, None] = {}
    for argument in arguments:
        path = expand_user(argument)
        if _exists(path) and path.is_dir():
            candidates = (p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            matches = _clips_among(candidates, skipped)
            missing = f"{argument}: the folder holds no file that ends in {', '.join(sorted(VIDEO_SUFFIXES))}"
        elif (there := _exists(path)) or not any(c in argument for c in "*?["):
            matches, missing = [path] if there else [], f"{argument}: {NOT_THERE}{slashes_hint(argument)}"
        else:
            missing = f"{argument}: the pattern matches no file"
            try:
                matches = _clips_among(Path(path.anchor).glob(str(path.relative_to(path.anchor))), skipped)
            except ValueError as error:
                raise InputError(f"{argument}: is no pattern ({str(error).lower()}); ** stands for folders") from None
        if not matches:
            raise InputError(missing)
        found.update(dict.fromkeys(matches))
    return list(found)


def expand_user(path: str) -> Path:
    """A path with `~` or `~name` in place of a home folder, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # a file whose name begins with ~
        return Path(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system takes
        return False


def _clips_among(paths: Iterable[Path], skipped: list[Path]) -> list[Path]:
    candidates = sorted(path for path in paths if not is_system_file(path))
    skipped += (path for path in candidates if not path.is_file() and not path.is_dir())
    return [path for path in candidates if path.is_file()]


def upright_rgb(frame: "VideoFrame") -> np.ndarray:
    """Convert a decoded frame to `(height, width, 3)` uint8 RGB as FFmpeg's scaler does by default, turned upright."""
    return upright(frame, frame.to_ndarray(format="rgb24"))
