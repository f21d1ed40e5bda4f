"""Where one shot of a film ends and the next begins, found while the film is decoded."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from videomem_hf.films.slow_changes import LENGTHS_S, SlowChange, find_slow_change, is_flat, is_movement, may_be_slow
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
_POINTS: Final = ((4, 2), (2, 1), (2, 1))
"""Points of each plane of a frame, light and colours, that are averaged to one of the small one, across and down: each
line that is read costs time."""
_LEAST_COLOUR: Final = 30.0
"""Mean difference of the highest and the lowest of a point's colours, of 255, below which a picture is nearly grey."""
_GREY_FRAMES: Final = 4
"""So many frames are looked at for colour."""
_FLASH_S: Final = 0.36
_BACK: Final = 0.5
"""A picture that comes back after a flash differs by less than this share of what the flash changed."""
_STEP_S: Final = 0.12
_TURN_S: Final = 0.24
_COARSE_RATE: Final = 30.0
"""Coarse pictures per second that are kept at most."""
_SLOW_GAP_S: Final = 0.8
_FADE_S: Final = 1.8
"""Between the two halves of a fade, at most."""
_STEPS: Final = 9
"""Frames of a piece between which a movement is looked for."""
_PACES: Final = (8, 4, 2, 1)
"""So many of these frames lie between those that are compared: slow movements show in those farther apart."""
DELAY_S: Final = 5.0
"""After so long all changes are known."""
WARM_UP_S: Final = 15.0
"""A change depends on no frame that is so much earlier."""
_FRAMES_OF_CUT: Final = 6
"""Frames that tell of a cut: it is told two frames later, by differences of neighbours up to two before it."""
_TOLD_LATER: Final = 2
_LEAST_CUT: Final = 15.0
"""PySceneDetect's `min_content_val`: no cut is between neighbours whose hue, saturation and lightness differ less."""
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
        suspect_s: When there may be a cut that the frame that was given last told of; None with other frames. It tells
            of it within half as long as the shortest shot lasts, and .1 s.

    Raises:
        InputError: PySceneDetect is not installed.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        if find_spec("scenedetect") is None:
            raise InputError("shots are found with PySceneDetect: pip install 'videomem_hf[shots]'")
        self.known_s = start_s
        self.suspect_s: float | None = None
        self._start_s = start_s
        self._detector = _Detector()
        self._recent: deque[_Recent] = deque()
        self._candidates: list[float] = []
        self._cuts: list[float] = []
        self._slow: list[SlowChange] = []
        self._flat: list[float] = []
        self._step = self._turn = -1
        self._waiting: list[tuple[float, np.ndarray]] = []

    def add(self, time_s: float, frame: "VideoFrame") -> list[float]:
        """Take the next frame, which comes on screen at `time_s`; give the times of changes that are known now."""
        self._waiting.append((time_s, _shrink(frame)))
        self.suspect_s = None
        if _number(time_s, 1 / _TURN_S) == self._turn:
            return []
        self._turn = _number(time_s, 1 / _TURN_S)
        return self._take_waiting()

    def _take_waiting(self) -> list[float]:
        """Look at the frames that wait: several at once are quicker than each between others that are decoded."""
        if not self._waiting:
            return []
        suspects = self._detector.add(self._waiting)
        coarse = _coarse(np.concatenate([small for _, small in self._waiting]), len(self._waiting))
        found = []
        for (time_s, small), levels, each in zip(self._waiting, coarse, suspects, strict=True):
            found += self._take(_Recent(time_s, levels, small), each)
        self._waiting.clear()
        return found

    def _take(self, now: "_Recent", suspects: list[float]) -> list[float]:
        time_s = now.time_s
        self.suspect_s = suspects[-1] if suspects else self.suspect_s
        self._candidates += suspects
        # Which frames are kept and when they are looked at depends on their own times alone, wherever reading began.
        if (
            self._candidates
            or not self._recent
            or _number(time_s, _COARSE_RATE) > _number(self._recent[-1].time_s, _COARSE_RATE)
        ):
            self._recent.append(now)
            if is_flat(now.coarse):
                self._flat.append(time_s)
        if _number(time_s, 1 / _STEP_S) == self._step:
            return []
        self._step = _number(time_s, 1 / _STEP_S)
        self._look(time_s - _FLASH_S)
        return self._settle(time_s - DELAY_S)

    def close(self, end_s: float) -> list[float]:
        """Give the other changes when there are no more frames; the film ends at `end_s`."""
        found = self._take_waiting()
        self._look(end_s)
        return [time_s for time_s in [*found, *self._settle(end_s)] if time_s <= end_s - SHORTEST_S]

    def _look(self, until_s: float) -> None:
        """Decide about changes up to a time."""
        while self._candidates and self._candidates[0] <= until_s:
            cut = self._candidates.pop(0)
            if self._is_cut(cut):
                self._cuts.append(cut)
        times = np.array([each.time_s for each in self._recent])
        for length in LENGTHS_S if len(times) else ():
            inside = (times >= until_s - length - 1e-3) & (times <= until_s)
            start, end = int(inside.argmax()), int(inside.sum()) + int(inside.argmax())
            if end - start < 4 or any(times[start] <= cut <= times[end - 1] + _STEP_S for cut in self._cuts[-4:]):
                continue
            if not may_be_slow(self._recent[start].coarse, self._recent[end - 1].coarse):
                continue
            piece = list(islice(self._recent, start, end))
            found = find_slow_change(times[start:end], np.stack([each.coarse for each in piece]))
            steps = [piece[i].small for i in np.linspace(0, len(piece) - 1, _STEPS).astype(int)]
            if found and not any(is_movement(steps[::pace]) for pace in _PACES):
                self._slow.append(found)

    def _is_cut(self, cut_s: float) -> bool:
        """Whether the picture does not come back shortly after a cut, or before it, and was not only moved."""
        before = [each for each in self._recent if cut_s - _FLASH_S <= each.time_s < cut_s - 1e-3]
        after = [each for each in self._recent if cut_s - 1e-3 <= each.time_s <= cut_s + _FLASH_S]
        if not before or not after:
            return True
        old, new = before[-1], after[0]
        others = [_difference(old.coarse, each.coarse) for each in after[1:]]
        others += [_difference(new.coarse, each.coarse) for each in before[:-1]]
        if others and min(others) < _BACK * _difference(old.coarse, new.coarse):
            return False
        return not is_movement([old.small, new.small])

    def _settle(self, until_s: float) -> list[float]:
        """Give the changes before a time, which cannot change any more, once each."""
        ready = [time_s for time_s in self._merge() if self.known_s <= time_s < until_s]
        if until_s > self.known_s:
            self.known_s = until_s
            keep_s = until_s - DELAY_S
            self._cuts = [cut for cut in self._cuts if cut > keep_s]
            self._slow = [each for each in self._slow if each.time_s > keep_s]
            self._flat = [time_s for time_s in self._flat if time_s > keep_s]
            while self._recent and self._recent[0].time_s < until_s:
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


class _Recent(NamedTuple):
    """A frame as a small picture `(27, 48, 3)` uint8, and the levels of a coarser one `(432,)` float32."""

    time_s: float
    coarse: np.ndarray
    small: np.ndarray


class _Detector:
    """PySceneDetect's detector of cuts, for frames with their times in seconds.

    It is asked only about frames among which neighbours differ as much as at a cut, which it measures as is done here.
    """

    def __init__(self) -> None:
        self._last: list[tuple[float, np.ndarray]] = []

    def add(self, frames: list[tuple[float, np.ndarray]]) -> list[list[float]]:
        """Take the next frames; give the cuts that are known with each."""
        import cv2

        known = len(self._last)
        watched = [*self._last, *frames]
        self._last = watched[1 - _FRAMES_OF_CUT :]
        if len(watched) <= _TOLD_LATER:
            return [[] for _ in frames]
        tall = np.concatenate([small for _, small in watched])
        hsv = cv2.cvtColor(tall, cv2.COLOR_BGR2HSV)
        height = len(tall) // len(watched)
        change = cv2.absdiff(hsv[height:], hsv[:-height])
        told = slice(max(0, known - 1 - _TOLD_LATER), -_TOLD_LATER)
        found: list[list[float]] = [[] for _ in frames]
        if (_means(change, len(watched) - 1)[told] >= _LEAST_CUT - 1e-6).any():
            found = _ask(watched, luma_only=False)[known:]
        # The hue of what is nearly grey is noise, in which a cut to a slide or a title is lost.
        grey = _colourfulness(tall, len(watched)) < _LEAST_COLOUR
        is_grey = [bool(grey[max(0, i - _GREY_FRAMES + 1) : i + 1].any()) for i in range(known, len(watched))]
        lightness = _means(cv2.extractChannel(change, 2), len(watched) - 1)
        if any(is_grey) and (lightness[told] >= _LEAST_CUT - 1e-6).any():
            more = _ask(watched, luma_only=True)[known:]
            found = [sorted({*a, *b}) if grey else a for a, b, grey in zip(found, more, is_grey, strict=True)]
        return found


def _ask(frames: list[tuple[float, np.ndarray]], luma_only: bool) -> list[list[float]]:
    """The cuts that PySceneDetect tells of with each of the frames."""
    from scenedetect import AdaptiveDetector, FrameTimecode
    from scenedetect.common import Timecode

    detector = AdaptiveDetector(min_scene_len=0, min_content_val=_LEAST_CUT, luma_only=luma_only)
    codes = [FrameTimecode(Timecode(round(time_s / _TIME_BASE), _TIME_BASE), fps=DEFAULT_RATE) for time_s, _ in frames]
    return [
        [cut.seconds for cut in detector.process_frame(code, small)]
        for code, (_, small) in zip(codes, frames, strict=True)
    ]


def _means(levels: np.ndarray, count: int) -> np.ndarray:
    """The mean level of each of `count` pictures that lie one below the other."""
    import cv2

    flat = levels.reshape(count, -1)
    return cv2.reduce(flat, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] / flat.shape[1]


def _number(time_s: float, rate: float) -> int:
    """The number of the interval that a time is in the middle of, of so many per second."""
    return math.floor(time_s * rate + 0.5)


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
    for plane, (across, down) in zip(frame.planes, _POINTS, strict=True):
        levels = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        grid = across * _SIZE[0], down * _SIZE[1]
        # Of each point one level is read, not all that lie around it.
        chosen = cv2.resize(levels, grid, interpolation=cv2.INTER_NEAREST) if plane.height > grid[1] else levels
        planes.append(cv2.resize(chosen, _SIZE, interpolation=cv2.INTER_AREA))
    luma, blue, red = planes
    return cv2.cvtColor(cv2.merge([luma, red, blue]), cv2.COLOR_YCrCb2BGR)


def _colourfulness(tall: np.ndarray, count: int) -> np.ndarray:
    """Mean difference of the highest and the lowest of a point's colours, of pictures one below the other."""
    import cv2

    blue, green, red = cv2.split(tall)
    highest, lowest = (of(of(blue, green), red) for of in (cv2.max, cv2.min))
    return _means(highest, count) - _means(lowest, count)


def _coarse(tall: np.ndarray, count: int) -> np.ndarray:
    """Levels of coarser pictures, `(count, 432)` float32, of pictures one below the other."""
    import cv2

    size = tall.shape[1] // _COARSE, tall.shape[0] // _COARSE
    return cv2.resize(tall.astype(np.float32), size, interpolation=cv2.INTER_AREA).reshape(count, -1)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())
