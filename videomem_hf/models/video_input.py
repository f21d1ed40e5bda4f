"""What users hand in as a clip, brought to what is decoded: a file that can seek, or frames."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from PIL import Image

from .video_addresses import address_name, download, is_address
from .video_containers import VideoSource, reason_of, source_name
from .video_pictures import largest_level, to_rgb
from .video_sampling import segments_of
from .video_streams import StoredStream, UnreadableVideoError, store_stream

_NO_NAME: Final = "the given bytes"


class NamedBytes(BytesIO):
    """A file in memory, with a name for messages."""

    def __init__(self, content: bytes, name: str = _NO_NAME) -> None:
        super().__init__(content)
        self.name = name


def open_input(
    source: Any,
    fps: float = 1.0,
    segment_length: int = 1,
    max_segments: int | None = None,
    channels: Literal["first", "last"] | None = None,
) -> VideoSource | np.ndarray:
    """Bring what a user gives to a file that can be decoded, or to frames.

    Args:
        source: A path, also of a pipe; an address (http://, https://, hf://) as a string; the bytes of a video file; a
            binary file object; a row of a `Video` column, `{"path": ..., "bytes": ...}` or torchcodec's decoder, or of
            a data set with such a column named `video`; an image of Pillow, which counts as its file; or frames: an
            array or tensor `(frames, height, width, 3)` or `(frames, 3, height, width)`, uint8 RGB, or a list of images
            or of such frames.
        fps, segment_length, max_segments: Sampling of a decoder that does not know its file.
        channels: Which axis of arrays has the colours; None: the last where it has 3, else the second.

    Returns:
        A path, bytes, a file object at its start, an image, or frames `(frames, height, width, 3)` uint8.

    Raises:
        ValueError: It is none of these, or cannot be read; names it.
    """
    if encoded := getattr(source, "_hf_encoded", None):  # what `datasets` keeps with a decoder
        return open_input(encoded)
    if hasattr(source, "get_frame_played_at"):
        return _decode(source, fps, segment_length, max_segments)
    if isinstance(source, Mapping):
        return _open_row(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str) and is_address(source):
        return download(source)
    if isinstance(source, str | os.PathLike):
        if not os.fspath(source):
            raise ValueError("'' names no clip; give the path of a file")
        return _open_path(Path(os.fsdecode(source)))
    if hasattr(source, "read"):
        return _open_file(source)
    if is_frame_list(source) and len(source) == 1:
        source = source[0] if isinstance(source[0], Image.Image) else source
    return source if isinstance(source, Image.Image) else to_frames(source, channels)


def is_frame_list(source: Any) -> bool:
    """Whether a list holds the frames of one clip (images, arrays of one frame) rather than several clips."""
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(isinstance(each, Image.Image) or getattr(each, "ndim", 0) == 3 for each in source)
    )


def input_name(source: Any) -> str:
    """A short name of what a user gives, for messages and tables; an address without its credentials and query."""
    if encoded := getattr(source, "_hf_encoded", None):
        source = encoded
    if isinstance(source, Mapping):
        if _is_whole_row(source):
            return input_name(source["video"])
        source = source.get("path") or _NO_NAME
    if isinstance(source, str | os.PathLike):
        return address_name(os.fsdecode(source))
    named = isinstance(source, bytes | bytearray | memoryview | Image.Image) or hasattr(source, "read")
    return source_name(source) if named else "the given frames"


def to_frames(source: Any, channels: Literal["first", "last"] | None = None) -> np.ndarray:
    """Bring an array or tensor of frames, or a list of images or frames, to `(frames, height, width, 3)` uint8 RGB."""
    if is_frame_list(source):
        brightest = max((largest_level(each) for each in source if isinstance(each, Image.Image)), default=0.0)
        arrays = [to_rgb(each, brightest) if isinstance(each, Image.Image) else _to_array(each) for each in source]
        if len(shapes := {array.shape for array in arrays}) > 1:
            found = ", ".join(map(str, sorted(shapes)))
            raise ValueError(f"the given frames are of several sizes ({found}); give frames of one size")
        if len(arrays) == 1 and channels is None and arrays[0].shape[0] == 3 != arrays[0].shape[2]:
            raise ValueError(f"one array {arrays[0].shape} is a frame (3, height, width) or three of grey; give 4 axes")
        source = np.stack(arrays)
    if not isinstance(source, np.ndarray) and not is_tensor(source):
        raise ValueError(
            f"a {type(source).__name__} is no clip; give a path, an address, the bytes of a video file, an open binary "
            "file, a row of a Video column, an image, or frames (frames, height, width, 3)"
        )
    frames = _to_array(source)
    if frames.ndim == 4 and (channels == "first" or (channels is None and frames.shape[3] != 3)):
        frames = frames.transpose(0, 2, 3, 1)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(
            f"frames of shape {tuple(source.shape)}, {frames.dtype}: must be (frames, height, width, 3) or "
            "(frames, 3, height, width), uint8 RGB, at least one of each"
        )
    return np.require(frames, requirements=["C", "W"])


def is_tensor(source: Any) -> bool:
    """Whether this is a tensor; PyTorch is not imported for it, and need not be installed."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def _to_array(frames: Any) -> np.ndarray:
    try:
        return frames.detach().cpu().numpy() if is_tensor(frames) else np.asarray(frames)
    except (TypeError, NotImplementedError):  # of a type, layout or device without such values
        raise ValueError(f"frames of {frames.dtype}, {frames.layout}, on {frames.device}: must be uint8 RGB") from None


def _is_whole_row(row: Mapping[str, Any]) -> bool:
    """Whether this is a row of a data set, whose clip is in its column `video`, rather than what that column holds."""
    return row.get("video") is not None and not (row.get("path") or row.get("bytes"))


def _open_row(row: Mapping[str, Any]) -> Any:
    if _is_whole_row(row):
        return open_input(row["video"])
    if not (row.get("path") or row.get("bytes")):
        held = ", ".join(map(str, row)) or "nothing"
        raise ValueError(f"a row with {held} is no clip; give a mapping with its 'path' or 'bytes', or with a 'video'")
    content = row.get("bytes")
    if not content:
        return open_input(row["path"])
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ValueError(f"{input_name(row)}: 'bytes' of a row is a {type(content).__name__}; it must be bytes")
    return NamedBytes(bytes(content), input_name(row))


def _open_path(path: Path) -> Path | StoredStream:
    """Give a file as it is, and of a pipe or a device, which cannot seek, what it holds."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # decoding names the cause
        return path
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        return path
    try:
        with path.open("rb") as file:
            return store_stream(file, str(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({reason_of(error)})") from None


def _open_file(file: Any) -> Any:
    name = input_name(file)
    if isinstance(file, TextIOBase):
        raise ValueError(f"{name}: is text; open it in binary, with mode 'rb'")
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
            return file
        return store_stream(file, name)
    except UnreadableVideoError:
        raise
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise ValueError(f"{name}: cannot be read ({reason_of(error)})") from None


class _DecoderReader:
    """The frames of torchcodec's decoder, one at a time, in the form that the sampler takes."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self.screen, self.end_s = self, 0.0

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield each frame with its start in seconds, from the first."""
        first = None
        for index in range(len(self._decoder)):
            frame = self._decoder.get_frame_at(index)
            first = frame.pts_seconds if first is None else first
            start = frame.pts_seconds - first
            self.end_s = start + (frame.duration_seconds or 1 / self._decoder.metadata.average_fps)
            yield start, frame.data

    def rgb(self, frame: Any) -> np.ndarray:
        """Bring a frame to `(height, width, 3)` uint8."""
        return to_frames(frame[None])[0]


def _decode(decoder: Any, fps: float, segment_length: int, max_segments: int | None) -> np.ndarray:
    """Take the frames of torchcodec's decoder that are taken of a file."""
    segments = segments_of(_DecoderReader(decoder), fps, segment_length, max_segments)
    images = [image for segment in segments for image in segment.images]
    if not images:
        raise ValueError("the given decoder has no frames")
    return np.stack(images)


def split_clips(videos: Any) -> Sequence[Any]:
    """Give several clips one by one: a list of them, or an array `(clips, frames, ...)`; anything else is one clip."""
    several = getattr(videos, "ndim", 0) == 5 or (isinstance(videos, list | tuple) and not is_frame_list(videos))
    return list(videos) if several else [videos]
