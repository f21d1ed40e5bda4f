"""The frames of a clip for several features at once, in memory that does not grow with the clip's length."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from videomem_hf.models.video_decoding import DEFAULT_RATE
from videomem_hf.models.video_display import Screen, upright
from videomem_hf.video.video import VideoSource, open_video, upright_rgb, warn_of

from .grey import Bits, Order, grey

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Threads = Literal["AUTO", "NONE"]

_IN_HIGH_BITS: Final = ("p010", "p012", "p016", "p210", "p212", "p216", "p410", "p412", "p416")
"""Formats of over 8 bits whose values stand in the upper bits of 16."""


@dataclass(frozen=True)
class Clip:
    """What specs need to know of a clip before it is decoded; a rate of 25 where the header says nothing."""

    name: str
    frames: int
    frames_per_second: float = DEFAULT_RATE
    title: str | None = None


class Picture:
    """A decoded frame; it is converted once, when first needed, for all features, which may be on several threads."""

    def __init__(self, index: int, frame: "VideoFrame", screen: Screen) -> None:
        self.index = index
        self._frame = frame
        self._screen = screen
        self._rgb: NDArray[np.uint8] | None = None
        self._greys: dict[tuple[Order, Bits], NDArray[np.uint8]] = {}
        self._converting = RLock()

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """`(height, width, 3)`, upright; converted as FFmpeg's scaler, OpenCV's reader and PyAV do by default.

        HDR, transparency, pixels that are not square and pictures of another size are shown as by a player.
        """
        with self._converting:
            if self._rgb is None:
                show = self._screen.rgb if self._screen.changes(self._frame) else upright_rgb
                self._rgb = show(self._frame)
            return self._rgb

    def grey(self, order: Order = "exchanged", bits: Bits = 14) -> NDArray[np.uint8]:
        """`(height, width)`; see `videomem_hf.features.grey`."""
        with self._converting:
            if (order, bits) not in self._greys:
                self._greys[order, bits] = grey(self.rgb, order, bits)
            return self._greys[order, bits]

    @property
    def luma(self) -> NDArray[np.uint8]:
        """The luma plane as decoded, `(height, width)`, upright; no change of range.

        More than 8 bits are cut to the upper 8. A frame without a luma plane of its own (RGB, palettes, packed YUV) is
        first converted by FFmpeg: packed YUV without loss, the others to BT.601 in limited range.
        """
        plane = _luma_plane(self._screen.resize(self._frame))
        return upright(self._frame, plane)


def _luma_plane(frame: "VideoFrame") -> NDArray[np.uint8]:
    name = frame.format.name
    if name.startswith(("yuyv", "uyvy", "yvyu")):
        frame = frame.reformat(format="yuv422p")
    elif not name.startswith(("yuv", "gray", "nv", *_IN_HIGH_BITS)) or name.endswith("be"):
        frame = frame.reformat(format="yuv444p")
    plane, bits = frame.planes[0], frame.format.components[0].bits
    # A line may be longer than the picture is wide.
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, -1)
    if bits <= 8:
        return lines[:, : frame.width]
    shift = 8 if frame.format.name.startswith(_IN_HIGH_BITS) else bits - 8
    return (lines.view("<u2")[:, : frame.width] >> shift).astype(np.uint8)


def survey(source: VideoSource, title: str | None = None) -> Clip:
    """Count a clip's frames by its packets, without decoding; `pictures` finds the right number in a damaged file."""
    with open_video(source) as reader:
        return Clip(reader.name, reader.count_frames(), reader.frames_per_second or DEFAULT_RATE, title)


def pictures(source: VideoSource, threads: Threads = "AUTO") -> Iterator[Picture]:
    """Decode a clip, frame by frame; `threads` is "NONE" where several processes decode one clip each.

    Raises a VideoError if there is no frame, and warns (VideoWarning) of what is odd about the file.
    """
    with open_video(source, threads) as reader:
        for index, (_, frame) in enumerate(reader.frames()):
            yield Picture(index, frame, reader.screen)
        warn_of(reader.name, reader.notes)
