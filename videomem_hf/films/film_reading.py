"""One pass over a film, in which its shots are found and the frames are sampled that a predictor scores."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from PIL import Image

from videomem_hf.films.shots import SHORTEST_S, ShotFinder
from videomem_hf.models.video_decoding import DEFAULT_RATE, VideoReader
from videomem_hf.models.video_sampling import TIME_TOLERANCE_S, FrameReader, segments_of

PICTURE_SIDE_PX: Final = 480


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
        end: Whether it is the end of the film.
    """

    until_s: float
    cuts: list[float]
    end: bool = False


def read_film(reader: VideoReader, processor: Any, fps: float, start_s: float = 0.0) -> Iterator[Sample | Known]:
    """Yield samples and changes of shot as the film is decoded.

    Args:
        reader: The film, open.
        processor: A predictor's video processor.
        fps: Samples per second.
        start_s: Where to begin: the start of a shot. What comes before is decoded and nothing more.
    """
    watch = _Watch(reader, processor, fps, start_s)
    length = processor.segment_length
    seconds = (length - 1) / (reader.frames_per_second or DEFAULT_RATE)
    for segment in segments_of(cast("FrameReader", watch), fps, length):
        time_s = watch.base_s + segment.time_s
        if time_s + TIME_TOLERANCE_S >= start_s:
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

    def __init__(self, reader: VideoReader, processor: Any, fps: float, start_s: float) -> None:
        self.base_s = math.floor(start_s * fps) / fps
        self.finder = ShotFinder(start_s)
        self.cuts: list[float] = []
        self._reader, self._processor, self._start_s = reader, processor, start_s
        self._fps = fps
        self._spares: list[Sample] = []
        self._wanted_s = self._when_to_spare(start_s)

    @property
    def screen(self) -> Any:
        return self._reader.screen

    @property
    def end_s(self) -> float:
        return self._reader.end_s - self.base_s

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield the frames from `base_s` on, with their times from there."""
        for time_s, frame in self._reader.frames():
            if time_s < self.base_s - TIME_TOLERANCE_S:
                continue
            if time_s >= self._start_s - TIME_TOLERANCE_S:
                self.cuts += self.finder.add(time_s, frame)
                self._keep_spare(time_s, frame)
            yield max(0.0, time_s - self.base_s), frame

    def take(self, end: bool = False) -> Iterator[Sample | Known]:
        """Give what was found since the last call."""
        spares, cuts = self._spares, self.cuts
        self._spares, self.cuts = [], []
        yield from spares
        yield Known(self._reader.end_s if end else self.finder.known_s, cuts, end)

    def _keep_spare(self, time_s: float, frame: Any) -> None:
        """Sample the middle of the shortest shot that may begin at a cut, if nothing else of it is sampled."""
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


def _for_display(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(picture)
