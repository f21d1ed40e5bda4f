"""One pass over a film, in which its shots are found and the frames are sampled that a predictor scores."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from videomem_hf.films.shots import SHORTEST_S, WARM_UP_S, ShotFinder
from videomem_hf.models.video_decoding import DEFAULT_RATE, MISSING_END, VideoReader
from videomem_hf.models.video_sampling import TIME_TOLERANCE_S, FrameReader, segments_of
from videomem_hf.models.video_seeking import Seen

PICTURE_SIDE_PX: Final = 480
_LEAST_MISSING_S: Final = 1.0
_BEFORE_S: Final = 5.0
"""Frames right after a place that was sought may lack what they are made from."""


@dataclass(frozen=True)
class Sample:
    """What a predictor scores at once.

    Attributes:
        time_s: When it was sampled, in seconds from the first frame of the film.
        last_s: When the last of its frames comes on screen.
        frames: `(frames, height, width, 3)` uint8, resized as the predictor's processor does: one frame, or a segment.
        picture: `(height, width, 3)` uint8, for display.
        spare: Whether it counts only for a shot that has no other.
    """

    time_s: float
    last_s: float
    frames: np.ndarray
    picture: np.ndarray
    spare: bool = False


@dataclass(frozen=True)
class Known:
    """All samples and all changes of shot before a time have been given, with this.

    Attributes:
        until_s: The time.
        cuts: Those that were not given before, in order.
        seen: What was odd about the film so far.
        end: Whether it is the end of the film.
    """

    until_s: float
    cuts: list[float]
    seen: Seen
    end: bool = False


def read_film(
    reader: VideoReader, processor: Any, fps: float, start_s: float = 0.0, seen: Seen | None = None
) -> Iterator[Sample | Known]:
    """Yield samples and changes of shot as the film is decoded.

    What is given after a time does not depend on where reading began, if that was at this time or before.

    Args:
        reader: The film, open.
        processor: A predictor's video processor.
        fps: Samples per second.
        start_s: Where to begin. Where the container can seek, little before it is decoded.
        seen: As of an earlier `Known`, with what is given after it.
    """
    watch = _Watch(reader, processor, fps, start_s, seen)
    length = processor.segment_length
    seconds = (length - 1) / (reader.frames_per_second or DEFAULT_RATE)
    for segment in segments_of(cast("FrameReader", watch), fps, length):
        if watch.lacks(segment.time_s, length):
            break
        time_s = round((watch.base_s + segment.time_s) * fps) / fps
        frames = np.stack([processor.resize_frame(image) for image in segment.images])
        yield Sample(time_s, time_s + seconds, frames, _for_display(segment.images[0]))
        yield from watch.take()
    watch.cuts += watch.finder.close(reader.end_s)
    yield from watch.take(end=True)


class _Watch:
    """A reader, of which `segments_of` takes frames, and whose frames are looked at for changes of shot in passing.

    Attributes:
        base_s: The sampling time from which the sampler counts.
    """

    def __init__(self, reader: VideoReader, processor: Any, fps: float, start_s: float, seen: Seen | None) -> None:
        self.base_s = math.floor(start_s * fps + 1e-6) / fps
        self._first_s = max(0.0, self.base_s - WARM_UP_S)
        self.finder = ShotFinder(self._first_s)
        self.cuts: list[float] = []
        self._reader, self._processor, self._seen = reader, processor, seen
        self._fps = fps
        self._spares: list[Sample] = []
        self._wanted_s = math.inf if self._first_s else self._when_to_spare(0.0)
        self._frames, self._ended = 0, False

    @property
    def screen(self) -> Any:
        return self._reader.screen

    @property
    def end_s(self) -> float:
        return self._reader.end_s - self.base_s

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield the frames from the one that is on screen at `base_s` on, with their times from there."""
        held = None
        for time_s, frame in self._reader.frames(max(0.0, self._first_s - _BEFORE_S), self._seen):
            if time_s < self._first_s - TIME_TOLERANCE_S:
                continue
            self.cuts += self.finder.add(time_s, frame)
            self._keep_spare(time_s, frame)
            if time_s < self.base_s - TIME_TOLERANCE_S:
                held = frame
                continue
            if held is not None and time_s > self.base_s + TIME_TOLERANCE_S:
                self._frames += 1
                yield 0.0, held
            held = None
            self._frames += 1
            yield max(0.0, time_s - self.base_s), frame
        self._ended = True

    def lacks(self, time_s: float, length: int) -> bool:
        """Whether the film ends too early for a segment that is only given because none was before it."""
        if not self._ended or self.base_s == 0 or time_s > 0:
            return False
        return self._frames < length or self.end_s < 0.5 / self._fps - TIME_TOLERANCE_S

    def take(self, end: bool = False) -> Iterator[Sample | Known]:
        """Give what was found since the last call."""
        spares, cuts = self._spares, self.cuts
        self._spares, self.cuts = [], []
        yield from spares
        yield Known(self._reader.end_s if end else self.finder.known_s, cuts, self._reader.seen.copy(), end)

    def _keep_spare(self, time_s: float, frame: Any) -> None:
        """Sample about the middle of the shortest shot that may begin at a cut, if nothing else of it is sampled."""
        if self.finder.suspect_s is not None:
            self._wanted_s = self._when_to_spare(self.finder.suspect_s)
        if time_s >= self._wanted_s:
            image = self.screen.rgb(frame)
            frames = np.stack([self._processor.resize_frame(image)] * self._processor.segment_length)
            self._spares.append(Sample(time_s, time_s, frames, _for_display(image), spare=True))
            self._wanted_s = math.inf

    def _when_to_spare(self, cut_s: float) -> float:
        next_s = math.ceil((cut_s - TIME_TOLERANCE_S) * self._fps) / self._fps
        return cut_s + SHORTEST_S / 2 if next_s > cut_s + SHORTEST_S else math.inf


def notes_of(reader: VideoReader) -> list[str]:
    """What is odd about a film that was read, a sentence each; that it ends too early with both times."""
    from videomem_hf.analysis.style import clock

    notes = [note for note in reader.notes if not note.startswith(MISSING_END)]
    if reader.missing_s > _LEAST_MISSING_S:
        ends = clock(reader.end_s, minutes=True), clock(reader.end_s + reader.missing_s, minutes=True)
        notes.append(f"ends at {ends[0]} where the container says {ends[1]}: what follows is missing or damaged")
    return notes


def _for_display(image: np.ndarray) -> np.ndarray:
    import cv2

    height, width = image.shape[:2]
    scale = PICTURE_SIDE_PX / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    while min(height // size[1], width // size[0]) >= 2:  # by halves, which is a third of the work
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image if (width, height) == size else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
