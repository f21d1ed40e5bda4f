"""How a score changes when a part of the picture is covered: a measured answer to where it comes from.

Occlusion as in Zeiler and Fergus (ECCV 2014), with a blur in place of a grey square, which would be a thing to look at
by itself (Fong and Vedaldi, ICCV 2017).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final

import numpy as np
from PIL import Image, ImageFilter
from scipy.special import ndtr

from videomem_hf.inference.clip_predictor import ClipPredictor, OnFrame
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.saliency import Area
from videomem_hf.inference.selection import EvenSelection
from videomem_hf.inference.sources import ClipSource, input_name
from videomem_hf.schema import Horizon, InputError
from videomem_hf.video.video import VideoError

GRID: Final = (6, 6)
"""Rows and columns of a map unless others are asked for."""
FRAMES: Final = 5
MOST_CELLS: Final = 1024
_BLUR: Final = 0.5
_FEATHER: Final = 0.1
"""Standard deviations of the blur and of the covered part's edge, as shares of its longer and its shorter side."""
_FRAMES_AT_ONCE: Final = 64


@dataclass(frozen=True)
class OcclusionMaps:
    """The measured change of the score when one cell of a grid is covered in a frame.

    Attributes:
        times_s: `(frames,)` float64, increasing.
        images: The frames for display, `(height, width, 3)` uint8 each.
        changes: For each horizon `(frames, rows, columns)` float64: the score with the cell covered less that without,
            so below 0 where the cell makes the frame memorable. Of a model that scores frames, or segments, it is the
            change of that frame's score; of one that weighs frames, the change of the clip's.
        seen: The part of the frame over which the grid lies, the one that the model sees: left, top, right and bottom
            as shares of width and height.
    """

    times_s: np.ndarray
    images: tuple[np.ndarray, ...]
    changes: dict[Horizon, np.ndarray]
    seen: Area

    def on_frame(self, index: int, horizon: Horizon) -> np.ndarray:
        """Lay a map over its frame, `(height, width)` float64: every pixel has its cell's change, 0 outside `seen`."""
        grid, (height, width) = self.changes[horizon][index], self.images[index].shape[:2]
        placed = np.zeros((height, width))
        left, top, right, bottom = self.seen
        rows, columns = (
            np.floor(((np.arange(side) + 0.5) / side - start) / (end - start) * cells).astype(int)
            for side, start, end, cells in ((height, top, bottom, len(grid)), (width, left, right, grid.shape[1]))
        )
        inside = np.ix_((rows >= 0) & (rows < len(grid)), (columns >= 0) & (columns < grid.shape[1]))
        placed[inside] = grid[np.ix_(rows[inside[0].ravel()], columns[inside[1].ravel()])]
        return placed


def occlusion_maps(
    predictor: ClipPredictor,
    source: ClipSource,
    grid: tuple[int, int] = GRID,
    frames: int | Sequence[float] = FRAMES,
    on_progress: Callable[[int, int], object] | None = None,
) -> OcclusionMaps:
    """Cover one cell of a grid after the other in some frames of a clip, and measure how their scores change.

    Args:
        predictor: Of a model that scores frames or segments of frames.
        source: The clip.
        grid: Rows and columns, over the part of the frame that the model sees; at most 1,024 cells.
        frames: How many, evenly spread over the clip, or all if it has fewer; or times in seconds within the clip, for
            the sampled frames nearest to them.
        on_progress: Called after each frame with how many are done, and of how many. What it raises ends the work.

    Raises:
        InputError: The model scores no frames; or `grid` or `frames` is something else, or has a time outside the clip.
        VideoError: The clip cannot be decoded.
    """
    model = _of_frames(predictor)
    grid, wanted = _check_grid(grid), _check_frames(frames)
    chosen, rows = _choose(model, source, wanted)
    seen = model.seen_part(chosen[0].image.shape[:2])
    changes = []
    for done, each in enumerate(chosen, 1):
        changes.append(measure_cells(model, each.segment, grid, seen, rows, each.index))
        if on_progress is not None:
            on_progress(done, len(chosen))
    maps = np.stack(changes).reshape(len(chosen), *grid, -1)
    return OcclusionMaps(
        np.array([each.time_s for each in chosen]),
        tuple(each.image for each in chosen),
        {horizon: maps[..., column] for column, horizon in enumerate(model.horizons)},
        seen,
    )


def occlude_rectangle(
    predictor: ClipPredictor, source: ClipSource, rectangle: Area, on_frame: OnFrame = None
) -> dict[Horizon, float]:
    """Cover the same rectangle in every sampled frame of a clip, and measure how the clip's score changes.

    Args:
        predictor: Of a model that scores frames or segments of frames.
        source: The clip.
        rectangle: Left, top, right and bottom as shares of the frame's width and height, from 0 to 1.
        on_frame: As of `ClipPredictor.predict`.

    Returns:
        For each horizon the score with the rectangle covered less that without: below 0 where what it covers makes the
        clip memorable.

    Raises:
        InputError: The model scores no frames, or the rectangle is none.
        VideoError: The clip cannot be decoded.
    """
    model = _of_frames(predictor)
    rectangle = _check_rectangle(rectangle)
    before, after = [], []
    for batch in _batches(segment for _, segment in model.segments(source, on_frame)):
        before.append(model.score_segments(batch))
        after.append(model.score_segments(np.stack([cover(segment, [rectangle])[0] for segment in batch])))
    if not before:
        raise VideoError(f"{input_name(source)}: holds no frames")
    change = model.score_clip(np.concatenate(after)) - model.score_clip(np.concatenate(before))
    return dict(zip(model.horizons, change.tolist(), strict=True))


def measure_cells(
    predictor: Predictor,
    segment: np.ndarray,
    grid: tuple[int, int],
    seen: Area,
    rows: np.ndarray | None = None,
    index: int = 0,
) -> np.ndarray:
    """Cover each cell of a grid by itself and measure how the score changes.

    Args:
        predictor: Of the model.
        segment: A frame or a segment of frames as of `Predictor.segments`.
        grid, seen: As of `OcclusionMaps`.
        rows: Of a model that weighs frames, what `Predictor.score_segments` gives for all segments of the clip. None:
            the segment is all there is.
        index: Of the segment among them.

    Returns:
        `(rows * columns, horizons)`, of a cell the score with it covered less that without.
    """
    cells = [_cell_of(seen, grid, each) for each in np.ndindex(*grid)]
    segments = np.concatenate([segment[None], cover(segment, cells)])
    size = max(1, _FRAMES_AT_ONCE // len(segment))
    found = np.concatenate([predictor.score_segments(segments[i : i + size]) for i in range(0, len(segments), size)])
    if predictor.keeps_features:
        others = found[:1] if rows is None else rows
        clips = [np.concatenate([others[:index], row[None], others[index + 1 :]]) for row in found]
        found = np.stack([predictor.score_clip(clip) for clip in clips])
    return found[1:] - found[0]


def cover(segment: np.ndarray, parts: Sequence[Area]) -> np.ndarray:
    """Blur parts of a segment until nothing can be told in them, each by itself, with a soft edge.

    Args:
        segment: `(frames, height, width, 3)` uint8.
        parts: Left, top, right and bottom of each, as shares of width and height; all of one size.

    Returns:
        `(parts, frames, height, width, 3)` uint8.
    """
    height, width = segment.shape[1:3]
    sides = (parts[0][2] - parts[0][0]) * width, (parts[0][3] - parts[0][1]) * height
    blur = ImageFilter.GaussianBlur(_BLUR * max(sides))
    blurred = np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in segment])
    difference = blurred.astype(np.float32) - segment
    feather = max(_FEATHER * min(sides), 0.5)
    covered = np.empty((len(parts), *segment.shape), np.uint8)
    for result, (left, top, right, bottom) in zip(covered, parts, strict=True):
        down = _inside(height, top * height, bottom * height, feather)
        weight = np.outer(down, _inside(width, left * width, right * width, feather))
        result[:] = (segment + weight[..., None].astype(np.float32) * difference).round().astype(np.uint8)
    return covered


def _inside(length: int, start: float, end: float, feather: float) -> np.ndarray:
    """How much each of so many pixels is within a range, in [0, 1]; an edge of the picture is no edge of the range."""
    position = np.arange(length) + 0.5
    rising = ndtr((position - start) / feather) if start > 0.5 else 1.0
    falling = ndtr((end - position) / feather) if end < length - 0.5 else 1.0
    return rising * falling * np.ones(length)


@dataclass(frozen=True)
class _Chosen:
    index: int
    time_s: float
    image: np.ndarray
    segment: np.ndarray


def _of_frames(predictor: ClipPredictor) -> Predictor:
    if not isinstance(predictor, Predictor):
        raise InputError(f"{predictor.name}: scores no frames, so there is nothing to cover; choose a model that does")
    return predictor


def _check_grid(grid: Any) -> tuple[int, int]:
    """Rows and columns as integers. Raises InputError."""
    sides = list(grid) if isinstance(grid, Iterable) and not isinstance(grid, str) else []
    whole = len(sides) == 2 and all(isinstance(side, Integral) and int(side) >= 1 for side in sides)
    if not whole or int(sides[0]) * int(sides[1]) > MOST_CELLS:
        raise InputError(
            f"grid is {_shorten(grid)}; give rows and columns, two whole numbers from 1 on with a product up to "
            f"{MOST_CELLS:,}"
        )
    return int(sides[0]), int(sides[1])


def _check_frames(frames: Any) -> int | list[float]:
    """A number of frames, or times in seconds. Raises InputError."""
    if isinstance(frames, Integral) and int(frames) >= 1:
        return int(frames)
    times = _numbers(frames)
    if not times or min(times) < 0:
        raise InputError(
            f"frames is {_shorten(frames)}; give how many, 1 or more, or a list of times in seconds, 0 or more"
        )
    return times


def _check_rectangle(rectangle: Any) -> Area:
    """Left, top, right and bottom. Raises InputError."""
    sides = _numbers(rectangle)
    if len(sides) != 4 or not (0 <= sides[0] < sides[2] <= 1 and 0 <= sides[1] < sides[3] <= 1):
        raise InputError(
            f"rectangle is {_shorten(rectangle)}; give left, top, right and bottom as shares from 0 to 1, left below "
            "right and top below bottom"
        )
    left, top, right, bottom = sides
    return left, top, right, bottom


def _numbers(values: Any) -> list[float]:
    """Finite numbers; none where one of them is something else."""
    try:
        numbers = [] if isinstance(values, str) else [float(each) for each in values]
    except (TypeError, ValueError):
        return []
    return numbers if np.isfinite(numbers).all() else []


def _shorten(value: Any) -> str:
    """A value as Python writes it, in one line of at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _choose(model: Predictor, source: ClipSource, frames: int | list[float]) -> tuple[list[_Chosen], np.ndarray | None]:
    """Read a clip and keep the frames to be covered; and the rows of all, if the model weighs frames.

    Raises InputError for a time after the last sampled frame by more than a second and more than the largest distance
    between sampled frames.
    """
    selection = EvenSelection[_Chosen](frames if isinstance(frames, int) else 0)
    nearest: dict[float, _Chosen] = {}
    times_s: list[float] = []

    def read() -> Iterator[np.ndarray]:
        for index, (frame, segment) in enumerate(model.segments(source)):
            times_s.append(frame.time_s)
            each = _Chosen(index, frame.time_s, frame.image, segment)
            selection.offer(each)
            for time_s in () if isinstance(frames, int) else frames:
                if time_s not in nearest or abs(nearest[time_s].time_s - time_s) > abs(each.time_s - time_s):
                    nearest[time_s] = each
            yield segment

    rows = [model.score_segments(batch) if model.keeps_features else batch[:0] for batch in _batches(read())]
    if not rows:
        raise VideoError(f"{input_name(source)}: holds no frames")
    last = times_s[-1] + max([1.0, *np.diff(times_s)])
    if beyond := [each for each in nearest if each > last]:
        raise InputError(
            f"{input_name(source)}: frames at {beyond[0]:g} s; the clip's sampled frames lie from {times_s[0]:.1f} to "
            f"{times_s[-1]:.1f} s"
        )
    chosen = selection.choose() or [each for _, each in sorted({each.index: each for each in nearest.values()}.items())]
    return chosen, np.concatenate(rows) if model.keeps_features else None


def _cell_of(seen: Area, grid: tuple[int, int], index: tuple[int, ...]) -> Area:
    left, top, right, bottom = seen
    height, width = (bottom - top) / grid[0], (right - left) / grid[1]
    row, column = index
    return left + column * width, top + row * height, left + (column + 1) * width, top + (row + 1) * height


def _batches(segments: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Stack segments of one shape, as many as go through the network at once: `(n, frames, height, width, 3)`."""
    waiting: list[np.ndarray] = []
    for segment in segments:
        if waiting and (len(waiting) * len(segment) >= _FRAMES_AT_ONCE or segment.shape != waiting[0].shape):
            yield np.stack(waiting)
            waiting = []
        waiting.append(segment)
    if waiting:
        yield np.stack(waiting)
