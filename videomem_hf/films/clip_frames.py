"""A clip in memory: its shots, the frames that a model sees of it, and what the model makes of them after an edit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from PIL import Image

from videomem_hf.films.edits import Look
from videomem_hf.films.gain_error import shot_indices
from videomem_hf.films.shots import Shot, ShotFinder
from videomem_hf.inference import ClipSource, Predictor
from videomem_hf.inference.occlusion import measure_cells
from videomem_hf.inference.sources import input_name, open_source
from videomem_hf.models.video_decoding import VideoReader
from videomem_hf.models.video_sampling import segments_of
from videomem_hf.schema import InputError
from videomem_hf.system import quantity
from videomem_hf.video.video import VideoError, open_video

LONGEST_S: Final = 300.0
_HALVES: Final = 2
_SIDE_PX: Final = 640
_MOST_BYTES: Final = 1 << 29
_PREVIEW_FPS: Final = 12.0
_PREVIEW_PX: Final = 320
_FRAMES_AT_ONCE: Final = 32
_GRID: Final = (4, 4)
_STILL_LEVELS: Final = 0.5
"""Mean change of grey levels, from one small image to the next, up to which a shot is a still card."""

Describe = dict[str, np.ndarray]
OnProgress = Callable[[str], object] | None


@dataclass(frozen=True)
class Measured:
    """What a model makes of all frames of a clip in one look.

    Attributes:
        rows: `(frames, ...)`, see `Predictor.score_segments`.
        described: The mean over the frames of each group of numbers, `(1, size)`.
    """

    rows: np.ndarray
    described: Describe


@dataclass
class ClipFrames:
    """A clip that was read once.

    Attributes:
        name: For messages.
        shots: At least one; the last ends with the clip.
        times_s: `(frames,)` twice as many as the model samples.
        segments: For each time the frame, or the consecutive frames, `(height, width, 3)` uint8 each, reduced.
        previews: Times in seconds and small images, for a preview.
        mean_level: Mean grey level, from 0 to 255.
        notes: What is odd about the file.
    """

    name: str
    shots: list[Shot]
    times_s: np.ndarray
    segments: list[list[np.ndarray]]
    previews: list[tuple[float, np.ndarray]]
    mean_level: float
    notes: list[str]
    _measured: dict[Look, Measured] = field(default_factory=dict)

    @property
    def length_s(self) -> float:
        return self.shots[-1].end_s

    @property
    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the frames that the model samples, and of those between them."""
        return np.arange(0, len(self.times_s), _HALVES), np.arange(1, len(self.times_s), _HALVES)

    def shot_at(self, time_s: float) -> int:
        """The index of the shot at a time."""
        return int(shot_indices(self.shots, np.array([time_s]))[0])

    def measure(self, predictor: Predictor, look: Look) -> Measured:
        """Score all frames in one look; each look is scored once."""
        if look not in self._measured:
            batch = max(1, _FRAMES_AT_ONCE // len(self.segments[0]))
            found = [
                predictor.describe_segments(np.stack([self._changed(predictor, i, look) for i in part]))
                for part in np.array_split(np.arange(len(self.segments)), -(-len(self.segments) // batch))
            ]
            names = found[0][1].keys()
            described = {n: np.concatenate([each[n] for _, each in found]).mean(axis=0, keepdims=True) for n in names}
            self._measured[look] = Measured(np.concatenate([rows for rows, _ in found]), described)
        return self._measured[look]

    def _changed(self, predictor: Predictor, index: int, look: Look) -> np.ndarray:
        shot, levels = self.shot_at(float(self.times_s[index])), look.levels(self.mean_level)
        images = [predictor.processor.resize_frame(look.crop(image, shot)) for image in self.segments[index]]
        return levels[np.stack(images)]

    def centres(self, predictor: Predictor) -> list[tuple[float, float]]:
        """The point of each shot that stands out, as shares of width and height.

        Cells of a grid are covered one after the other in the middle frame; the point is the mean of those whose
        covering lowers the first horizon's score by at least half as much as the most important one's.
        """
        seen = predictor.seen_part(self.segments[0][0].shape[:2])
        centres = []
        for shot in self.shots:
            middle = int(np.abs(self.times_s - (shot.start_s + shot.end_s) / 2).argmin())
            segment = self._changed(predictor, middle, Look())
            falls = -measure_cells(predictor, segment, _GRID, seen)[:, 0].reshape(_GRID)
            weights = np.where(falls >= falls.max() / 2, falls, 0).clip(0)
            if weights.sum() <= 0:
                centres.append((0.5, 0.5))
                continue
            down, across = ((np.arange(cells) + 0.5) / cells for cells in _GRID)
            x = float((weights.sum(axis=0) * across).sum() / weights.sum())
            y = float((weights.sum(axis=1) * down).sum() / weights.sum())
            centres.append((seen[0] + x * (seen[2] - seen[0]), seen[1] + y * (seen[3] - seen[1])))
        return centres

    def title_end_s(self) -> float | None:
        """When a still card at the beginning ends: a first shot, of several, that does not move."""
        if len(self.shots) < 2:
            return None
        first = [image for time_s, image in self.previews if time_s < self.shots[0].end_s - 0.1]
        moved = [float(np.abs(a.astype(np.int16) - b).mean()) for a, b in pairwise(first)]
        still = len(moved) > 1 and max(moved) <= _STILL_LEVELS
        return self.shots[0].end_s if still else None


class WatchedReader:
    """A `FrameReader` that finds shots, and keeps small images if asked for, of the frames that pass through it.

    Args:
        reader: What is read.
        on_progress: Called with what is being done, about once a second of the clip.
        previews_until_s: Length of the longest clip of which small images are kept; a longer one is refused.
    """

    def __init__(self, reader: VideoReader, on_progress: OnProgress, previews_until_s: float | None = None) -> None:
        self._reader = reader
        self._on_progress = on_progress
        self._longest_s = previews_until_s
        self._said_s = -1.0
        self._finder = ShotFinder()
        self._cuts: list[float] = []
        self.previews: list[tuple[float, np.ndarray]] = []
        self.screen: Any = None
        self.end_s = 0.0

    def frames(self) -> Iterator[tuple[float, Any]]:
        for time_s, frame in self._reader.frames():
            self.screen = self._reader.screen
            self._cuts += self._finder.add(time_s, frame)
            if self._longest_s is not None:
                self._keep(time_s, frame, self._longest_s)
            if self._on_progress is not None and time_s >= self._said_s + 1:
                self._said_s = time_s
                self._on_progress(f"reading {time_s:.0f} s")
            yield time_s, frame
        self.end_s = self._reader.end_s
        self._cuts += self._finder.close(self.end_s)

    def shots(self) -> list[Shot]:
        """The shots, when all frames are read."""
        return [Shot(start, end) for start, end in pairwise((0.0, *self._cuts, self.end_s))]

    def _keep(self, time_s: float, frame: Any, longest_s: float) -> None:
        if time_s > longest_s:
            raise InputError(
                f"{self._reader.name}: is longer than {longest_s / 60:.0f} minutes; cut it first, such as with "
                "videomem timeline FILM --best 60s"
            )
        if not self.previews or time_s >= self.previews[-1][0] + 1 / _PREVIEW_FPS - 0.002:
            self.previews.append((time_s, reduce(self.screen.rgb(frame), _PREVIEW_PX)))


def read_clip(source: ClipSource, predictor: Predictor, on_progress: OnProgress = None) -> ClipFrames:
    """Read a clip: twice as many frames as the model samples, its shots, and small images for a preview.

    Args:
        source: The clip, of at most 5 minutes.
        predictor: What samples the frames.
        on_progress: Called with what is being done.

    Raises:
        VideoError: It cannot be decoded.
        InputError: It is too long, or a library is missing.
    """
    opened = open_source(source, predictor.processor)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times cannot be edited: give the video file")
    processor = predictor.processor
    with open_video(opened) as reader:
        watched = WatchedReader(reader, on_progress, LONGEST_S)
        seconds = min(reader.duration_s or LONGEST_S, LONGEST_S)
        count = max(1.0, seconds * processor.fps * _HALVES * processor.segment_length)
        side = min(_SIDE_PX, int((_MOST_BYTES / count / 3) ** 0.5))
        found = list(
            segments_of(
                watched, processor.fps * _HALVES, processor.segment_length, convert=lambda image: reduce(image, side)
            )
        )
        shots, notes = watched.shots(), list(reader.notes)
    times = np.array([segment.time_s for segment in found])
    if len(times) < 2 * _HALVES:
        seen = quantity(len(times) // _HALVES, "frame")
        raise InputError(f"{input_name(source)}: the model sees {seen} of it; a clip to edit has 2 or more")
    level = float(np.mean([image.mean() for _, image in watched.previews[:: max(1, len(watched.previews) // 60)]]))
    name = input_name(source)
    return ClipFrames(name, shots, times, [each.images for each in found], watched.previews, level, notes)


def reduce(image: np.ndarray, side: int) -> np.ndarray:
    """Bring an image `(height, width, 3)` to sides of at most `side`, even ones; smaller ones lose at most a line."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    if size == (width, height):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
