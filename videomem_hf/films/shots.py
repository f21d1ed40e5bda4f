"""Where one shot of a film ends and the next begins, found while the film is decoded."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from videomem_hf.films.slow_changes import LENGTHS_S, SlowChange, find_slow_change, is_flat
from videomem_hf.inference.sources import ClipSource, open_source
from videomem_hf.models.video_decoding import DEFAULT_RATE
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, open_video

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SHORTEST_S: Final = 0.5
"""Of a shot."""
_SIZE: Final = (48, 27)
"""Width and height at which frames are compared: what is smaller moves too much."""
_COARSE: Final = 3
_POINTS: Final = 5
"""Points of a frame that are averaged to one of the small one, along each side."""
_LEAST_COLOUR: Final = 30.0
"""Mean difference of the highest and the lowest of a point's colours, of 255, below which a picture is nearly grey."""
_FLASH_S: Final = 0.36
_BACK: Final = 0.5
"""A picture that comes back after a flash differs by less than this share of what the flash changed."""
_STEP_S: Final = 0.12
_COARSE_RATE: Final = 30.0
"""Coarse pictures per second that are kept at most."""
_SLOW_GAP_S: Final = 0.8
_FADE_S: Final = 1.8
"""Between the two halves of a fade, at most."""
DELAY_S: Final = 5.0
"""After so long all changes are known."""
_TIME_BASE: Final = Fraction(1, 90_000)
_PLANAR: Final = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")


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
        The shots in order, at least one; the first starts at 0 and the last ends with the film. A dissolve or fade
        counts half to the one and half to the other. None is shorter than half a second, but for a film that is.

    Raises:
        InputError: PySceneDetect is not installed.
        VideoError: The source gives no frames; names it.
    """
    opened = open_source(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times have no shots that could be found: give the video file")
    finder = ShotFinder()
    cuts = []
    with open_video(opened) as reader:
        for time_s, frame in reader.frames():
            cuts += finder.add(time_s, frame)
        cuts += finder.close(reader.end_s)
        return [Shot(start, end) for start, end in pairwise([0.0, *cuts, reader.end_s])]


class ShotFinder:
    """Finds where shots begin in the frames of a film, which are given one after the other.

    Cuts are PySceneDetect's (`AdaptiveDetector`), less those after which the picture comes back, as after a flash;
    dissolves and fades are those of `find_slow_change`.

    Args:
        start_s: When the first frame comes that is given; a shot starts there.

    Attributes:
        known_s: All changes before this time are known.
        suspect_s: When there may be a cut, with the frame that was given last; None with other frames.

    Raises:
        InputError: PySceneDetect is not installed.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        if find_spec("scenedetect") is None:
            raise InputError("shots are found with PySceneDetect: pip install 'videomem_hf[shots]'")
        from scenedetect import AdaptiveDetector

        self.known_s = start_s
        self.suspect_s: float | None = None
        self._start_s = start_s
        self._detector = AdaptiveDetector(min_scene_len=0)
        self._of_lightness = AdaptiveDetector(min_scene_len=0, luma_only=True)
        self._colours: deque[float] = deque(maxlen=4)  # the detectors tell of a cut two frames later
        self._recent: deque[tuple[float, np.ndarray]] = deque()
        self._candidates: list[float] = []
        self._cuts: list[float] = []
        self._slow: list[SlowChange] = []
        self._flat: list[float] = []
        self._looked_s = start_s

    def add(self, time_s: float, frame: "VideoFrame") -> list[float]:
        """Take the next frame, which comes on screen at `time_s`; give the times of changes that are known now."""
        small = _shrink(frame)
        suspects = self._detect(time_s, small)
        self.suspect_s = suspects[-1] if suspects else None
        self._candidates += suspects
        if self._candidates or not self._recent or time_s - self._recent[-1][0] > 1 / _COARSE_RATE - 1e-3:
            self._recent.append((time_s, _coarse(small)))
            if is_flat(self._recent[-1][1]):
                self._flat.append(time_s)
        if time_s - self._looked_s < _STEP_S:
            return []
        self._looked_s = time_s
        self._look(time_s - _FLASH_S)
        return self._settle(time_s - DELAY_S)

    def close(self, end_s: float) -> list[float]:
        """Give the other changes when there are no more frames; the film ends at `end_s`."""
        self._look(end_s)
        return [time_s for time_s in self._settle(end_s) if time_s <= end_s - SHORTEST_S]

    def _detect(self, time_s: float, small: np.ndarray) -> list[float]:
        from scenedetect import FrameTimecode
        from scenedetect.common import Timecode

        code = FrameTimecode(Timecode(round(time_s / _TIME_BASE), _TIME_BASE), fps=DEFAULT_RATE)
        cuts = {cut.seconds for cut in self._detector.process_frame(code, small)}
        of_lightness = {cut.seconds for cut in self._of_lightness.process_frame(code, small)}
        self._colours.append(float((small.max(axis=2) - small.min(axis=2)).mean()))
        # The hue of what is nearly grey is noise, in which a cut to a slide or a title is lost.
        return sorted(cuts | of_lightness if min(self._colours) < _LEAST_COLOUR else cuts)

    def _look(self, until_s: float) -> None:
        """Decide about changes up to a time."""
        while self._candidates and self._candidates[0] <= until_s:
            cut = self._candidates.pop(0)
            if not self._comes_back(cut):
                self._cuts.append(cut)
        times = np.array([time_s for time_s, _ in self._recent])
        for length in LENGTHS_S if len(times) else ():
            inside = (times >= until_s - length - 1e-3) & (times <= until_s)
            start, end = int(inside.argmax()), int(inside.sum()) + int(inside.argmax())
            if end - start < 4 or any(times[start] <= cut <= times[end - 1] + _STEP_S for cut in self._cuts[-4:]):
                continue
            frames = np.stack([self._recent[index][1] for index in range(start, end)])
            if found := find_slow_change(times[start:end], frames):
                self._slow.append(found)

    def _comes_back(self, cut_s: float) -> bool:
        """Whether a picture like the last one before a cut is seen shortly after it, or the other way round."""
        before = [frame for time_s, frame in self._recent if cut_s - _FLASH_S <= time_s < cut_s - 1e-3]
        after = [frame for time_s, frame in self._recent if cut_s - 1e-3 <= time_s <= cut_s + _FLASH_S]
        if not before or not after:
            return False
        change = _BACK * _difference(before[-1], after[0])
        others = [_difference(before[-1], each) for each in after[1:]]
        others += [_difference(after[0], each) for each in before[:-1]]
        return min(others, default=change) < change

    def _settle(self, until_s: float) -> list[float]:
        """Give the changes before a time, which cannot change any more, once each."""
        ready = [time_s for time_s in self._merge() if self.known_s <= time_s < until_s]
        if until_s > self.known_s:
            self.known_s = until_s
            keep_s = until_s - DELAY_S
            self._cuts = [cut for cut in self._cuts if cut > keep_s]
            self._slow = [each for each in self._slow if each.time_s > keep_s]
            self._flat = [time_s for time_s in self._flat if time_s > keep_s]
            while self._recent and self._recent[0][0] < until_s:
                self._recent.popleft()
        return ready

    def _merge(self) -> list[float]:
        """Bring what was found to one time per change."""
        changes = list(_apart(self._cuts))
        for each in _surest(self._slow):
            if all(abs(each.time_s - cut) >= SHORTEST_S for cut in changes):
                changes.append(each.time_s)
        merged: list[float] = []
        for time_s in sorted(changes):
            flat = [each for each in self._flat if merged and merged[-1] <= each <= time_s]
            if flat and time_s - merged[-1] < _FADE_S:
                merged[-1] = (flat[0] + flat[-1]) / 2
            else:
                merged.append(time_s)
        return [time_s for time_s in merged if time_s - self._start_s >= SHORTEST_S]


def _apart(times_s: list[float]) -> Iterator[float]:
    """The first of times that are closer to each other than a shot is long."""
    last = -SHORTEST_S
    for time_s in times_s:
        if time_s - last >= SHORTEST_S - 1e-3:
            last = time_s
            yield time_s


def _surest(found: list[SlowChange]) -> list[SlowChange]:
    """One of those that are the same change, seen in several pieces of film."""
    chosen: list[SlowChange] = []
    for each in sorted(found, key=lambda change: change.time_s):
        if chosen and each.time_s - chosen[-1].time_s < _SLOW_GAP_S:
            chosen[-1] = min(chosen[-1], each, key=lambda change: change.rest)
        else:
            chosen.append(each)
    return chosen


def _shrink(frame: "VideoFrame") -> np.ndarray:
    """Make a small picture `(27, 48, 3)` uint8 BGR; of usual formats from some points of each plane, which is quick."""
    import cv2

    if frame.format.name not in _PLANAR:
        return frame.reformat(*_SIZE, format="bgr24", interpolation="AREA").to_ndarray()
    planes = []
    for plane in frame.planes:
        levels = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        down, across = max(1, plane.height // (_POINTS * _SIZE[1])), max(1, plane.width // (_POINTS * _SIZE[0]))
        points = np.ascontiguousarray(levels[down // 2 :: down, across // 2 :: across])
        planes.append(cv2.resize(points, _SIZE, interpolation=cv2.INTER_AREA))
    luma, blue, red = planes
    return cv2.cvtColor(np.dstack([luma, red, blue]), cv2.COLOR_YCrCb2BGR)


def _coarse(small: np.ndarray) -> np.ndarray:
    """Levels of a coarser picture, `(432,)` float32."""
    import cv2

    size = small.shape[1] // _COARSE, small.shape[0] // _COARSE
    return cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_AREA).ravel()


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())
