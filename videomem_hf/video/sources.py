"""Where a clip's frames come from: a file, the bytes of one, a row of a data set, or an image."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from videomem_hf.models.video_display import MAX_PIXELS
from videomem_hf.models.video_pictures import PILLOW_ERRORS, to_rgb, without_pillow_warnings
from videomem_hf.system import os_cause

from .video import VideoError, sample_clip, source_name, warn_of


@dataclass(frozen=True)
class StoredVideo:
    """A video file in a row of a data set; `read` gives its bytes, when they are needed.

    `name` is for messages; `identity` differs from that of any other content.
    """

    name: str
    identity: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class StillImage:
    """An image (of LaMem, say), which counts as a clip of one frame."""

    path: Path


Source = str | Path | bytes | StoredVideo | StillImage
"""A path, the bytes of a video file, or one of the above."""


def name_of(source: Source) -> str:
    if isinstance(source, StoredVideo):
        return source.name
    return str(source.path) if isinstance(source, StillImage) else source_name(source)


def identity_of(source: Source) -> str:
    """Identify a source without reading it: by path, size and modification time of its file; a missing one by path."""
    if isinstance(source, bytes):
        return content_of(source)
    if isinstance(source, StoredVideo):
        return source.identity
    path = Path(source.path if isinstance(source, StillImage) else source).resolve()
    try:
        status = path.stat()
    except OSError:  # reading it names the cause
        return str(path)
    return f"{path}\n{status.st_size}\n{status.st_mtime_ns}"


def content_of(source: Source) -> str:
    """Hash a source's bytes: a file that was moved or copied is the same clip. An unreadable one is a VideoError."""
    if isinstance(source, StoredVideo):
        return hashlib.sha256(source.read()).hexdigest()
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with Path(source.path if isinstance(source, StillImage) else source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"{name_of(source)}: cannot be opened ({os_cause(error)})") from None


def segments(source: Source, processor: Any) -> Iterator[np.ndarray]:
    """Yield the segments that a predictor's processor takes of a source, each `(frames, height, width, 3)` uint8 RGB.

    Errors and warnings are those of `sample_frames`.
    """
    if isinstance(source, StillImage):
        if processor.segment_length > 1:
            raise VideoError(f"{source.path}: an image has no {processor.segment_length} consecutive frames")
        yield read_image(source.path)[None]
        return
    notes: list[str] = []
    try:
        for segment in sample_clip(source.read() if isinstance(source, StoredVideo) else source, processor, notes):
            yield np.stack(segment.images)
    except VideoError as error:
        raise VideoError(f"{source.name}: {error}" if isinstance(source, StoredVideo) else str(error)) from None
    warn_of(name_of(source), notes)


def process(processor: Any, frames: Any, skip: Iterable[str], **options: Any) -> Any:
    """Give the frames of a clip to a predictor's processor, without its sampling and the steps to skip ("resize")."""
    switches = {f"do_{step}": False for step in ("sample_frames", *skip)}
    return processor(videos=[frames], **switches, **options)["pixel_values_videos"][0]


def read_image(path: Path) -> np.ndarray:
    """Decode an image as `(height, width, 3)` uint8 RGB; one that cannot be read is a VideoError."""
    try:
        with without_pillow_warnings(), Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height}, of at most {MAX_PIXELS:,} pixels")
            return to_rgb(image)
    except PILLOW_ERRORS as error:
        raise VideoError(f"{path}: not an image that can be read ({error})") from None
