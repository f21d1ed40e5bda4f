"""Where one shot of a film ends and the next begins, found while the film is decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf.inference.sources import ClipSource, open_source
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, open_video

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_TIME_BASE: Final = Fraction(1, 90_000)
_WIDTH_PX: Final = 256
_SHORTEST_S: Final = 0.5
_RATE: Final = 25.0
"""Frames per second where a file says nothing."""


@dataclass(frozen=True)
class Shot:
    """What lies between two cuts.

    Attributes:
        start_s, end_s: Seconds from the first frame of the film; the next shot starts at the end of this one.
    """

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def find_shots(source: ClipSource) -> list[Shot]:
    """Find the shots of a film in one pass over it.

    Args:
        source: A video file; see `ClipSource`. Frames without their times are refused.

    Returns:
        The shots in order, at least one; the first starts at 0 and the last ends with the film.

    Raises:
        InputError: PySceneDetect is not installed.
        VideoError: The source gives no frames; names it.
    """
    opened = open_source(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times have no shots that could be found: give the video file")
    with open_video(opened) as reader:
        finder = ShotFinder(reader.frames_per_second)
        for time_s, frame in reader.frames():
            finder.add(time_s, frame)
        return list(finder.shots(reader.end_s))


class ShotFinder:
    """Finds shots in the frames of a film, which are given one after the other.

    Args:
        frames_per_second: Of the film; None where that is not known.

    Raises:
        InputError: PySceneDetect is not installed.
    """

    def __init__(self, frames_per_second: float | None) -> None:
        if find_spec("scenedetect") is None:
            raise InputError("shots are found with PySceneDetect: pip install 'videomem_hf[shots]'")
        from scenedetect import AdaptiveDetector

        self._rate = frames_per_second or _RATE
        self._detector = AdaptiveDetector(min_scene_len=_SHORTEST_S)
        self._height = 0
        self._cuts: list[float] = []
        self._last: Any = None

    def add(self, time_s: float, frame: "VideoFrame") -> None:
        """Take the next frame, which comes on screen at `time_s`."""
        if not self._height:
            self._height = max(1, round(frame.height * _WIDTH_PX / frame.width))
        small = frame.reformat(width=_WIDTH_PX, height=self._height, format="bgr24", interpolation="AREA")
        self._last = self._timecode(time_s)
        self._cuts += [cut.seconds for cut in self._detector.process_frame(self._last, small.to_ndarray())]

    def shots(self, end_s: float) -> Iterator[Shot]:
        """Yield all shots when there are no more frames; the last one ends at `end_s`."""
        ends = [*self._cuts, end_s]
        for start, end in zip([0.0, *ends], ends, strict=False):
            yield Shot(start, end)

    def _timecode(self, time_s: float) -> Any:
        from scenedetect import FrameTimecode
        from scenedetect.common import Timecode

        return FrameTimecode(Timecode(round(time_s / _TIME_BASE), _TIME_BASE), fps=self._rate)
