"""What users hand in as a clip, brought to what is decoded: a file that can seek, or frames."""

import math
import os
import re
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from PIL import Image

from .video_containers import VideoSource, reason_of, source_name
from .video_pictures import largest_level, to_rgb
from .video_sampling import segments_of

LARGEST_STREAM: Final = 1 << 30
"""Bytes that are taken at most from an address or a pipe, which are read into memory."""
LONGEST_DOWNLOAD_S: Final = 300.0
_CHUNK: Final = 1 << 20
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PROTOCOLS: Final = ("http", "https", "hf")
_NO_NAME: Final = "the given bytes"
_ADDRESS_IN_TEXT: Final = re.compile(_ADDRESS.pattern + r"[^\s'\"<>]+")


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
    if isinstance(source, str) and _ADDRESS.match(source):
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
        name = os.fsdecode(source)
        if not (scheme := _ADDRESS.match(name)):
            return name
        host, slash, path = re.split(r"[?#]", name[scheme.end() :])[0].partition("/")
        return f"{scheme[0].lower()}{host.rpartition('@')[2]}{slash}{path}"
    named = isinstance(source, bytes | bytearray | memoryview | Image.Image) or hasattr(source, "read")
    return source_name(source) if named else "the given frames"


def download(address: str) -> NamedBytes:
    """Read the file at an address into memory.

    Raises a ValueError if it cannot be fetched, is over `LARGEST_STREAM`, or takes over `LONGEST_DOWNLOAD_S` seconds.
    """
    name = input_name(address)
    protocol, separator, rest = address.partition("://")
    if protocol.lower() not in _PROTOCOLS:
        raise ValueError(f"{name}: addresses of clips start with http://, https:// or hf://; give one, or a path")
    outcome: list[bytes | Exception] = []
    # In a thread, as a server that stops sending would otherwise hold the caller for as long as it likes.
    thread = threading.Thread(target=_fetch, args=(protocol.lower() + separator + rest, name, outcome), daemon=True)
    thread.start()
    thread.join(LONGEST_DOWNLOAD_S)
    if not outcome:
        raise ValueError(f"{name}: not fetched within {LONGEST_DOWNLOAD_S:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return NamedBytes(outcome[0], name)


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
    if not isinstance(source, np.ndarray | torch.Tensor):
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


def _to_array(frames: Any) -> np.ndarray:
    try:
        return frames.detach().cpu().numpy() if isinstance(frames, torch.Tensor) else np.asarray(frames)
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


def _open_path(path: Path) -> Path | NamedBytes:
    """Give a file as it is, and a pipe or a device, which cannot seek, as its content."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # decoding names the cause
        return path
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        return path
    try:
        with path.open("rb") as file:
            return NamedBytes(_read(file, str(path)), str(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({reason_of(error)})") from None


def _open_file(file: Any) -> Any:
    name = input_name(file)
    if isinstance(file, TextIOBase):
        raise ValueError(f"{name}: is text; open it in binary, with mode 'rb'")
    if hasattr(file, "seekable") and file.seekable():
        file.seek(0)
        return file
    return NamedBytes(_read(file, name), name)


def _read(file: Any, name: str, deadline: float = math.inf) -> bytes:
    content = bytearray()
    while chunk := file.read(_CHUNK):
        if isinstance(chunk, str):
            raise ValueError(f"{name}: gives text and no bytes")
        content += chunk
        if len(content) > LARGEST_STREAM:
            most = f"{LARGEST_STREAM >> 20} MiB"
            raise ValueError(f"{name}: has over {most}, the most that is read from an address or pipe")
        if time.monotonic() > deadline:
            raise ValueError(f"{name}: not fetched within {LONGEST_DOWNLOAD_S:g} s")
    if not content:
        raise ValueError(f"{name}: is empty (0 bytes)")
    return bytes(content)


def _fetch(address: str, name: str, outcome: list[bytes | Exception]) -> None:
    """Put the content of an address into `outcome`, or the ValueError that says why it cannot be had."""
    deadline = time.monotonic() + LONGEST_DOWNLOAD_S
    try:
        import fsspec

        with fsspec.open(address, "rb", block_size=0) as file:  # one request, without asking for parts
            outcome.append(_read(file, name, deadline))
    except ImportError as error:
        outcome.append(ValueError(f"{name}: fetching addresses needs another package ({error}): pip install aiohttp"))
    except ValueError as error:
        outcome.append(error)
    except Exception as error:  # each file system has errors of its own
        outcome.append(ValueError(f"{name}: cannot be fetched ({_download_cause(error, address)})"))


def _download_cause(error: BaseException, address: str) -> str:
    """The status that a server answers, or the first line of the error, with addresses as `input_name` gives them."""
    while isinstance(error, FileNotFoundError) and (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier  # fsspec says "not found" whatever it was
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) and address in map(str, error.args):
        status = HTTPStatus.NOT_FOUND.value
    if status in set(HTTPStatus):
        return f"{status} {HTTPStatus(status).phrase}"
    if "Redirect" in type(error).__name__:
        return "it redirects too often"
    text = str(error).replace(address, input_name(address)).strip().split("\n")[0]
    return _ADDRESS_IN_TEXT.sub(lambda found: input_name(found[0]), text) or type(error).__name__


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
