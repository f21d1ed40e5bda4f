"""The part of a film of a given length that is most memorable as a model sees it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.films.clip_frames import OnProgress, WatchedReader
from videomem_hf.films.cutting import Span, WrittenPart, write_part
from videomem_hf.films.gain_error import GainError
from videomem_hf.films.poster import poster_times, write_poster
from videomem_hf.films.shots import Shot
from videomem_hf.inference import ClipSource, Predictor
from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.sources import input_name, open_source
from videomem_hf.models.video_sampling import segments_of
from videomem_hf.schema import Horizon, InputError
from videomem_hf.statistics import Floats
from videomem_hf.video.video import VideoError, open_video

_TOLERANCE: Final = 0.1
"""Share by which whole shots may be longer or shorter than what is asked for."""
_FRAMES_AT_ONCE: Final = 32
_LENGTH: Final = re.compile(r"(?:(?P<minutes>\d+(?:\.\d+)?)\s*m(?:in)?)?\s*(?:(?P<seconds>\d+(?:\.\d+)?)\s*s?)?")
_CLOCK: Final = re.compile(r"(\d+):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class Excerpt:
    """A part of a film.

    Attributes:
        span: Where it is, in seconds.
        score: The mean of its frame scores.
        random_score: The mean over all excerpts of its length.
        interval: Confidence interval (95 %) of the difference of both; infinite where the model's error is not known.
        whole_shots: Whether it begins and ends with a shot.
        poster_s: Times of its frames in seconds, the best poster first.
    """

    span: Span
    score: float
    random_score: float
    interval: tuple[float, float]
    whole_shots: bool
    poster_s: tuple[float, ...]

    @property
    def gain(self) -> float:
        """How much more memorable it is than a random excerpt of its length."""
        return self.score - self.random_score

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON; an end of the interval that is not known is None."""
        ends = [end if np.isfinite(end) else None for end in self.interval]
        return asdict(self) | {"gain": self.gain, "interval": ends, "poster_s": self.poster_s[0]}


@dataclass(frozen=True)
class WrittenExcerpt:
    """An excerpt as a file.

    Attributes:
        excerpt: What it shows.
        part: The file.
        poster: The JPEG beside it, if one was asked for.
        poster_s: Time of its frame in the film.
    """

    excerpt: Excerpt
    part: WrittenPart
    poster: Path | None
    poster_s: float | None


def choose_excerpt(
    times_s: Floats, scores: Floats, shots: Sequence[Shot], length_s: float, error: GainError
) -> Excerpt:
    """Choose the most memorable part of a film.

    Whole shots are taken if their length is within 10 % of what is asked for, unless another part is better by more
    than the model may be wrong; else a part that begins, or ends, with a shot; else one within a long shot.

    Args:
        times_s, scores: `(frames,)` of the sampled frames: times in seconds, and frame scores for one horizon.
        shots: Of the film.
        length_s: What is asked for, in seconds.
        error: What is known of the model's errors.

    Raises:
        InputError: The film is not longer than that.
    """
    end_s = shots[-1].end_s
    if not 0 < length_s < end_s:
        raise InputError(f"an excerpt of {length_s:g} s of a film of {end_s:.1f} s; ask for a shorter one, above 0 s")
    sums = np.concatenate([[0.0], np.cumsum(scores)])

    def best_of(spans: list[Span]) -> tuple[float, Span] | None:
        if not spans:
            return None
        ends = np.searchsorted(times_s, [[span.start_s - 1e-6, span.end_s - 1e-6] for span in spans])
        counts = np.diff(ends, axis=1)[:, 0]
        means = np.where(counts > 0, (sums[ends[:, 1]] - sums[ends[:, 0]]) / np.maximum(counts, 1), -np.inf)
        best = int(means.argmax())
        return float(means[best]), spans[best]

    whole, free = best_of(_whole_shots(shots, length_s)), best_of(_at_shots(shots, times_s, length_s))
    assert free is not None  # one begins with the film
    found = whole or free
    if whole is not None and free[0] > whole[0]:
        contrast = _weights(times_s, free[1]) - _weights(times_s, whole[1])
        if error.interval(free[0] - whole[0], error.sd(contrast, times_s, shots))[0] > 0:
            found = free
    span = found[1]
    random = _random_weights(times_s, span.length_s, end_s)
    random_score = float(random @ scores)
    sd = error.sd(_weights(times_s, span) - random, times_s, shots)
    posters = poster_times(times_s, scores, shots, span)
    return Excerpt(
        span,
        found[0],
        random_score,
        error.interval(found[0] - random_score, sd),
        found is whole,
        tuple(posters.tolist()),
    )


def best_excerpt(
    source: ClipSource,
    length_s: float,
    predictor: ClipPredictor,
    stem: Path,
    horizon: Horizon | None = None,
    poster: bool = False,
    on_progress: OnProgress = None,
) -> WrittenExcerpt:
    """Find the most memorable part of a film, and write it as a file that plays in a browser.

    Args:
        source: A video file; see `ClipSource`.
        length_s: Of the excerpt, in seconds.
        predictor: Of a model that scores frames, or segments of frames.
        stem: The file to write, without its ending.
        horizon: What is to be high; None takes the model's first.
        poster: Whether to write the frame to use as a thumbnail beside it, as JPEG.
        on_progress: Called with what is being done.

    Raises:
        InputError: The film is too short, the model scores no frames or not this horizon, or PySceneDetect is missing.
        VideoError: The film cannot be decoded.
    """
    if not isinstance(predictor, Predictor):
        raise InputError(f"{predictor.name}: scores no frames; choose a model that does")
    horizon = horizon or predictor.horizons[0]
    if horizon not in predictor.horizons:
        raise InputError(f"{predictor.name}: gives no {horizon} score; it gives {', '.join(predictor.horizons)}")
    times_s, scores, shots = _score(source, predictor, on_progress)
    column = predictor.horizons.index(horizon)
    error = GainError.of(predictor, horizon, predictor.processor.fps)
    return write_excerpt(source, choose_excerpt(times_s, scores[:, column], shots, length_s, error), stem, poster)


def write_excerpt(source: ClipSource, excerpt: Excerpt, stem: Path, poster: bool = False) -> WrittenExcerpt:
    """Write an excerpt of a film, without loss where key frames allow; see `write_part`. Arguments: `best_excerpt`."""
    opened = _file(source)
    part = write_part(opened, stem, excerpt.span)
    if not poster:
        return WrittenExcerpt(excerpt, part, None, None)
    path = stem.with_name(f"{stem.name}.jpg")
    return WrittenExcerpt(excerpt, part, path, write_poster(opened, path, np.array(excerpt.poster_s)))


def parse_length(text: str) -> float:
    """Read a length in seconds: `30`, `30s`, `1m30s`, `2m` or `1:30`. Raises InputError for anything else."""
    match = _LENGTH.fullmatch(text.strip())
    seconds = 0.0
    if match:
        minutes, rest = (float(match[each] or 0) for each in ("minutes", "seconds"))
        seconds = 60 * minutes + rest
    elif clock := _CLOCK.fullmatch(text.strip()):
        seconds = 60 * float(clock[1]) + float(clock[2])
    if not seconds > 0:
        raise InputError(f"{text!r} is no length; give seconds or minutes such as 30s, 1m30s or 1:30")
    return seconds


def _file(source: ClipSource) -> Any:
    opened = open_source(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times have no excerpt: give the video file")
    return opened


def _score(source: ClipSource, predictor: Predictor, on_progress: OnProgress) -> tuple[Floats, Floats, list[Shot]]:
    """Times and scores of the sampled frames, and the shots, in one pass."""
    processor = predictor.processor
    times: list[float] = []
    rows: list[np.ndarray] = []
    waiting: list[np.ndarray] = []

    def score() -> None:
        if waiting:
            rows.append(predictor.score_segments(np.stack(waiting)))
            waiting.clear()

    with open_video(_file(source)) as reader:
        watched = WatchedReader(reader, on_progress)
        for segment in segments_of(watched, processor.fps, processor.segment_length, convert=processor.resize_frame):
            times.append(segment.time_s)
            images = np.stack(segment.images)
            if waiting and waiting[0].shape != images.shape:
                score()
            waiting.append(images)
            if len(waiting) * len(images) >= _FRAMES_AT_ONCE:
                score()
        score()
        shots = watched.shots()
    if not times:
        raise VideoError(f"{input_name(source)}: holds no frames")
    return np.array(times), predictor.weigh_rows(np.concatenate(rows))[0], shots


def _whole_shots(shots: Sequence[Shot], length_s: float) -> list[Span]:
    """Parts of whole shots that follow each other, about as long as is asked for."""
    ends = np.array([shot.end_s for shot in shots])
    spans = []
    for first, shot in enumerate(shots):
        low, high = np.searchsorted(ends, shot.start_s + length_s * np.array([1 - _TOLERANCE, 1 + _TOLERANCE]))
        spans += [Span(shot.start_s, float(end)) for end in ends[max(low, first) : high]]
    return spans


def _at_shots(shots: Sequence[Shot], times_s: Floats, length_s: float) -> list[Span]:
    """Parts that begin or end with a shot; and those within shots that are longer than what is asked for."""
    end_s = shots[-1].end_s
    starts = {shot.start_s for shot in shots} | {shot.end_s - length_s for shot in shots}
    for shot in shots:
        if shot.length_s > length_s:
            starts |= set(times_s[(times_s >= shot.start_s) & (times_s + length_s <= shot.end_s)].tolist())
    return [Span(start, start + length_s) for start in sorted(starts) if 0 <= start <= end_s - length_s]


def _weights(times_s: Floats, span: Span) -> Floats:
    inside = ((times_s >= span.start_s - 1e-6) & (times_s < span.end_s - 1e-6)).astype(np.float64)
    return inside / max(inside.sum(), 1.0)


def _random_weights(times_s: Floats, length_s: float, end_s: float) -> Floats:
    """How much each frame counts on average in excerpts that begin anywhere."""
    last = max(end_s - length_s, 1e-9)
    covered = np.minimum(times_s, last) - np.maximum(times_s - length_s, 0.0)
    weights = np.maximum(covered, 1e-9 * length_s)
    return weights / weights.sum()
