"""The part of a film of a given length that is most memorable as a model sees it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.analysis.style import clock
from videomem_hf.films.cutting import WrittenPart, write_part
from videomem_hf.films.gain_error import CONFIDENCE, GainError
from videomem_hf.films.poster import poster_times, write_poster
from videomem_hf.films.shots import Shot
from videomem_hf.films.span import Span
from videomem_hf.films.timeline import OnProgress, Timeline, film_predictor, timeline
from videomem_hf.inference import ClipSource, Predictor
from videomem_hf.inference.predicting import Model
from videomem_hf.inference.sources import open_source
from videomem_hf.schema import HORIZON_NAMES, Horizon, InputError
from videomem_hf.statistics import Floats
from videomem_hf.video.video import VideoError

_TOLERANCE: Final = 0.1
"""Share by which whole shots may be longer or shorter than what is asked for."""
_STEP_S: Final = 1.0
"""Between the times at which a film's score is taken."""
_LENGTH: Final = re.compile(r"(?:(?P<minutes>\d+(?:\.\d+)?)\s*m(?:in)?)?\s*(?:(?P<seconds>\d+(?:\.\d+)?)\s*s?)?")
_CLOCK: Final = re.compile(r"(\d+):([0-5]\d(?:\.\d+)?)")


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
    stem: Path,
    model: Model | None = None,
    *,
    horizon: Horizon | None = None,
    poster: bool = False,
    device: str | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenExcerpt:
    """Find the most memorable part of a film, and write it as a file that plays in a browser.

    Args:
        source: A video file; see `ClipSource`.
        length_s: Of the excerpt, in seconds.
        stem: The file to write, without its ending.
        model: As of `timeline`.
        horizon: What is to be high; None takes the model's first.
        poster: Whether to write the frame to use as a thumbnail beside it, as JPEG.
        device, on_progress: As of `timeline`.

    Raises:
        InputError: The film is too short, the model scores no frames or not this horizon, or PySceneDetect is missing.
        VideoError: The film cannot be decoded.
    """
    predictor = film_predictor(model, device)
    film = timeline(source, predictor, on_progress=on_progress)
    return write_excerpt(source, excerpt_of(film, length_s, predictor, horizon), stem, poster)


def excerpt_of(film: Timeline, length_s: float, predictor: Predictor, horizon: Horizon | None = None) -> Excerpt:
    """Choose the most memorable part of a film whose timeline is known, see `choose_excerpt`.

    Args:
        film: As `timeline` gives it.
        length_s: Of the excerpt, in seconds.
        predictor: That made it.
        horizon: What is to be high; None takes the model's first.

    Raises:
        InputError: The film is too short, or the model does not give this horizon.
    """
    horizon = horizon or film.horizons[0]
    if horizon not in film.horizons:
        raise InputError(f"{film.model}: gives no {horizon} score; it gives {', '.join(film.horizons)}")
    times, scores = _curve(film, horizon)
    shots = [Shot(shot.start_s, shot.end_s) for shot in film.shots]
    error = GainError.of(predictor, horizon, 1 / _STEP_S)
    found = choose_excerpt(times, scores, shots, length_s, error)
    best = [(shot.best_scores[horizon], shot.best_time_s) for shot in film.shots]
    inside = [each for each in best if found.span.start_s <= each[1] < found.span.end_s]
    return replace(found, poster_s=tuple(time_s for _, time_s in sorted(inside, reverse=True)) or found.poster_s)


def _curve(film: Timeline, horizon: Horizon) -> tuple[Floats, Floats]:
    """The score of a film at even times: of each the mean of the windows over it, of a short shot the shot's."""
    times, scores = [], []
    for shot in film.shots:
        inside = np.arange(np.ceil(shot.start_s / _STEP_S), np.ceil(shot.end_s / _STEP_S)) * _STEP_S
        inside = inside if len(inside) else np.array([(shot.start_s + shot.end_s) / 2])
        windows = [(each.start_s, each.end_s, each.scores[horizon]) for each in shot.windows]
        starts, ends, values = np.array(windows or [(shot.start_s, shot.end_s, shot.scores[horizon])]).T
        # Windows are counted where they begin and end: of a shot of hours there are thousands.
        started, ended = np.searchsorted(inside, starts), np.searchsorted(inside, ends)
        steps = np.zeros((2, len(inside) + 1))
        for row, weights in enumerate((np.ones(len(values)), values)):
            np.add.at(steps[row], started, weights)
            np.subtract.at(steps[row], ended, weights)
        counts, sums = steps.cumsum(axis=1)[:, :-1].round(12)
        times.append(inside)
        scores.append(np.where(counts > 0, sums / np.maximum(counts, 1), values.mean()))
    return np.concatenate(times), np.concatenate(scores)


def write_excerpt(source: ClipSource, excerpt: Excerpt, stem: Path, poster: bool = False) -> WrittenExcerpt:
    """Write an excerpt of a film, without loss where key frames allow; see `write_part`. Arguments: `best_excerpt`."""
    opened = open_source(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times have no excerpt: give the video file")
    part = write_part(opened, stem, excerpt.span)
    if not poster:
        return WrittenExcerpt(excerpt, part, None, None)
    path = stem.with_name(f"{stem.name}.jpg")
    return WrittenExcerpt(excerpt, part, path, write_poster(opened, path, np.array(excerpt.poster_s)))


def excerpt_sentence(written: WrittenExcerpt, horizon: Horizon) -> str:
    """What was found and written, in one sentence."""
    found = written.excerpt
    low, high = found.interval
    ends = f" ({CONFIDENCE:.0%} interval {low:+z.3f} to {high:+z.3f})" if np.isfinite(low) else ""
    unsure = ", from which the model cannot tell it apart" if np.isfinite(low) and low <= 0 else ""
    how = "copied without loss" if written.part.copied else "encoded again"
    ends_at = " to ".join(clock(time_s, found.span.end_s >= 60) for time_s in (found.span.start_s, found.span.end_s))
    shown = f"{ends_at}{' (whole shots)' if found.whole_shots else ''}"
    poster = f"; poster {written.poster.name}" if written.poster else ""
    return (
        f"best {found.span.length_s:.1f} s: {shown}, {HORIZON_NAMES[horizon]} {found.score:.3f}, "
        f"{found.gain:+z.3f}{ends} against a random part{unsure}; {written.part.path.name}, {how}{poster}"
    )


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
