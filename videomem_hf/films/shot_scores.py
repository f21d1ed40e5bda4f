"""From the samples of a film to the scores of its shots, a window of the length of the training clips at a time."""

import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from PIL import Image

from videomem_hf.films.film_reading import Known, Sample
from videomem_hf.films.shots import SHORTEST_S
from videomem_hf.inference.clip_predictor import check_scores
from videomem_hf.inference.predictor import Predictor
from videomem_hf.models.video_sampling import TIME_TOLERANCE_S
from videomem_hf.schema import Horizon

WINDOW_S: Final = 7.0
"""Length of VideoMem's clips (paper, Sec. 3.1)."""
STEP_S: Final = WINDOW_S / 2
FRAMES_PER_BATCH: Final = 16
"""Fewer than of short clips: decoding large frames takes memory at the same time."""
_SAME: Final = 0.5
"""Mean difference of levels, of 255, up to which a frame shows nothing new and is not scored again."""
_JPEG_QUALITY: Final = 80
PART_S: Final = 60.0
"""Samples of different parts of a film are scored apart, so that scores do not depend on where a run went on."""


@dataclass(frozen=True)
class Window:
    """A part of a shot, scored as a clip.

    Attributes:
        start_s, end_s: Seconds from the first frame of the film.
        scores: For each horizon, in [0, 1].
    """

    start_s: float
    end_s: float
    scores: dict[Horizon, float]


@dataclass(frozen=True)
class ScoredShot:
    """A shot and how memorable it is.

    Attributes:
        start_s, end_s: Seconds from the first frame of the film.
        scores: For each horizon, in [0, 1]: of a shot longer than 7 s the mean over its windows.
        frames: How many frames, or segments, were sampled.
        best_time_s: When its most memorable frame is on screen: that with the highest mean over the horizons.
        best_scores: Of that frame, for each horizon.
        picture: That frame, a JPEG of at most 480 pixels along a side.
        windows: The parts of 7 s that were scored, every 3.5 s; one of a shorter shot.
        intervals, percentiles: As of `Prediction`.
        typicality: As of `Prediction`; of several windows the mean.
    """

    start_s: float
    end_s: float
    scores: dict[Horizon, float]
    frames: int
    best_time_s: float
    best_scores: dict[Horizon, float]
    picture: bytes = field(repr=False)
    windows: tuple[Window, ...] = field(default=(), repr=False)
    intervals: dict[Horizon, tuple[float, float]] | None = None
    percentiles: dict[Horizon, float] = field(default_factory=dict)
    typicality: float | None = None

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    def to_dict(self) -> dict[str, Any]:
        """The shot as plain numbers, without its picture."""
        return {name: value for name, value in asdict(self).items() if name != "picture"}

    @classmethod
    def from_dict(cls, stored: dict[str, Any], picture: bytes) -> "ScoredShot":
        """The inverse of `to_dict`, after JSON as well."""
        windows = tuple(Window(**each) for each in stored["windows"])
        ends = stored["intervals"] and {h: (low, high) for h, (low, high) in stored["intervals"].items()}
        return cls(**(stored | {"picture": picture, "windows": windows, "intervals": ends}))


@dataclass
class OpenShot:
    """What is known of a shot whose end is not: enough to go on with it.

    Attributes:
        start_s: When it begins.
        known_s: Up to here it goes on.
        next_s: When its next window begins.
        windows, weights: Those that are scored, and how much each counts.
        typicality: Of each of them.
        frames: Samples in them.
        counted_s: Time of the last of these samples.
        best: Of the most memorable frame: its mean score, its time, its scores for each horizon, its JPEG.
    """

    start_s: float
    known_s: float
    next_s: float
    windows: list[Window] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    typicality: list[float] = field(default_factory=list)
    frames: int = 0
    counted_s: float = -1.0
    best: tuple[float, float, list[float], bytes] | None = None

    @classmethod
    def at(cls, start_s: float) -> Self:
        """A shot that begins at a time."""
        return cls(start_s, start_s, start_s)

    @property
    def needed_s(self) -> float:
        """From here on samples are needed."""
        return self.next_s - STEP_S if self.next_s > self.start_s else self.start_s

    @property
    def part_s(self) -> float:
        """When the part of the film begins with which to go on."""
        return PART_S * math.floor(max(0.0, self.needed_s) / PART_S)


@dataclass(frozen=True)
class _Record:
    """A sample that is scored: its row, see `Predictor.score_segments`, and what describes it."""

    sample: Sample
    row: np.ndarray
    described: dict[str, np.ndarray]


class ShotScorer:
    """Takes what `read_film` yields and gives shot after shot; holds the samples of some seconds and no more.

    Args:
        predictor: Of frames.
        shot: That an earlier run did not finish; `read_film` begins with its `part_s`.

    Attributes:
        shot: The one whose end is not known yet.
    """

    def __init__(self, predictor: Predictor, shot: OpenShot | None = None) -> None:
        self._predictor = predictor
        self._waiting: list[Sample] = []
        self._scored: list[_Record] = []
        self._spares: list[Sample] = []
        self._cuts: list[float] = []
        self._last: _Record | None = None
        self.shot = shot or OpenShot.at(0.0)
        self._first_s = self.shot.needed_s
        self._known_s = max(self.shot.known_s, self.shot.start_s + SHORTEST_S / 2)
        self._open = _ShotScores(predictor, self.shot)

    def take(self, item: Sample | Known) -> list[ScoredShot]:
        """Take the next item; give the shots that are complete with it."""
        if isinstance(item, Sample):
            if item.spare:
                self._spares += [item] if item.time_s >= self.shot.start_s else []
                return []
            if self._waiting and _part_of(self._waiting[0]) != _part_of(item):
                self._score()
            self._waiting.append(item)
            if len(self._waiting) * len(item.frames) >= FRAMES_PER_BATCH:
                self._score()
            return []
        cuts = [cut for cut in item.cuts if cut >= self._known_s]
        self._cuts += [*cuts, item.until_s] if item.end else cuts
        if item.end:
            self._score()
        return list(self._finish(item.until_s))

    def _score(self) -> None:
        """Score the samples that wait, in one batch; one that shows nothing new has the row of the one before it."""
        fresh: list[Sample] = []
        owners = []
        before = self._last.sample if self._last else None
        if before and self._waiting and _part_of(before) != _part_of(self._waiting[0]):
            before = None
        for sample in self._waiting:
            if before is None or not _is_same(before, sample):
                fresh.append(sample)
                before = sample
            owners.append(len(fresh) - 1)
        records = self._measure(fresh)
        for sample, owner in zip(self._waiting, owners, strict=True):
            record = self._last if owner < 0 else records[owner]
            assert record is not None
            if sample.time_s >= self._first_s - TIME_TOLERANCE_S:  # else an earlier run has used it
                self._scored.append(replace(record, sample=sample))
        self._last = records[-1] if records else self._last
        self._waiting = []

    def _measure(self, samples: list[Sample]) -> list[_Record]:
        if not samples:
            return []
        rows, groups = self._predictor.describe_segments(np.stack([each.frames for each in samples]))
        return [
            _Record(each, rows[i], {name: numbers[i] for name, numbers in groups.items()})
            for i, each in enumerate(samples)
        ]

    def _finish(self, until_s: float) -> "list[ScoredShot]":
        """Close the shots whose samples are all scored, and score the windows of the open one that are complete."""
        unscored_s = min((each.time_s for each in self._waiting), default=until_s)
        closed = []
        while self._cuts and self._cuts[0] <= unscored_s + TIME_TOLERANCE_S:
            cut = self._cuts.pop(0)
            if cut <= self.shot.start_s:  # the film ends with a shot that an earlier run scored
                continue
            self._move_records(cut)
            spares = [each for each in self._spares if each.time_s < cut]
            self._spares = [each for each in self._spares if each.time_s >= cut]
            if not self._open.has_samples:
                # What is nearest in time stands for a shot so short that nothing of it was sampled.
                middle_s = (self.shot.start_s + cut) / 2
                found = self._measure(spares[:1]) or ([self._last] if self._last else self._measure(self._waiting[:1]))
                self._open.records += [replace(each, sample=replace(each.sample, time_s=middle_s)) for each in found]
            closed.append(self._open.close(cut))
            self.shot = OpenShot.at(cut)
            self._open = _ShotScores(self._predictor, self.shot)
        known = min(until_s, unscored_s)
        self._move_records(known)
        self._open.advance(known)
        return closed

    def _move_records(self, until_s: float) -> None:
        """Give the open shot the records before a time."""
        inside = [each for each in self._scored if each.sample.time_s + TIME_TOLERANCE_S < until_s]
        self._scored = self._scored[len(inside) :]
        self._open.records += inside


class _ShotScores:
    """Scores the windows of a shot whose end is not known, and adds them to what is known of it."""

    def __init__(self, predictor: Predictor, shot: OpenShot) -> None:
        self.shot = shot
        self.records: list[_Record] = []
        self._predictor = predictor

    @property
    def has_samples(self) -> bool:
        return bool(self.records or self.shot.windows)

    def advance(self, known_s: float) -> None:
        """Score the windows that end before a time up to which the shot goes on, and forget what is not needed."""
        shot = self.shot
        while shot.next_s + WINDOW_S <= known_s:
            self._score(shot.next_s, shot.next_s + WINDOW_S, 1.0)
            shot.next_s += STEP_S
            self.records = [each for each in self.records if each.sample.time_s >= shot.needed_s - 1e-6]
        shot.known_s = max(shot.known_s, known_s)

    def close(self, end_s: float) -> ScoredShot:
        """Give the shot, which ends at a time."""
        self.advance(end_s)
        shot = self.shot
        covered_s = shot.next_s + STEP_S if shot.windows else shot.start_s
        if end_s - covered_s > 1e-3:
            inside = [each for each in self.records if each.sample.last_s < end_s]
            self.records = inside or self.records
            start_s = max(shot.start_s, end_s - WINDOW_S)
            self._score(start_s, end_s, (end_s - covered_s) / STEP_S)
        scores = np.average([list(each.scores.values()) for each in shot.windows], axis=0, weights=shot.weights)
        named = self._named(scores)
        reference = self._predictor.claims.reference
        assert shot.best is not None
        _, best_s, best_scores, picture = shot.best
        return ScoredShot(
            shot.start_s,
            end_s,
            named,
            shot.frames,
            best_s,
            self._named(best_scores),
            picture,
            tuple(shot.windows),
            reference.intervals(named) if reference else None,
            reference.percentiles(named) if reference else {},
            float(np.mean(shot.typicality)) if shot.typicality else None,
        )

    def _score(self, start_s: float, end_s: float, weight: float) -> None:
        shot = self.shot
        inside = [each for each in self.records if start_s - TIME_TOLERANCE_S <= each.sample.time_s < end_s]
        inside = inside or ([] if shot.windows else self.records)
        if not inside:  # sampled more seldom than a window is long
            return
        inside = inside[: self._predictor.processor.max_segments]
        rows = np.stack([each.row for each in inside])
        frame_scores, weights = self._predictor.weigh_rows(rows)
        check_scores(frame_scores)
        scores = np.average(frame_scores, axis=0, weights=weights)
        shot.windows.append(Window(start_s, end_s, self._named(scores)))
        shot.weights.append(weight)
        shot.frames += sum(each.sample.time_s > shot.counted_s for each in inside)
        shot.counted_s = max(shot.counted_s, *(each.sample.time_s for each in inside))
        index = int(frame_scores.mean(axis=1).argmax())
        mean, best = float(frame_scores[index].mean()), inside[index].sample
        if shot.best is None or mean > shot.best[0]:
            shot.best = mean, best.time_s, frame_scores[index].tolist(), _to_jpeg(best.picture)
        groups = inside[0].described
        described = {name: np.mean([each.described[name] for each in inside], axis=0)[None] for name in groups}
        typicality = self._predictor.claims.typicality
        percent = typicality.percent(described) if typicality and described else None
        shot.typicality += [] if percent is None else [percent]

    def _named(self, values: Iterable[float]) -> dict[Horizon, float]:
        return dict(zip(self._predictor.horizons, map(float, values), strict=True))


def _part_of(sample: Sample) -> int:
    return math.floor((sample.time_s + TIME_TOLERANCE_S) / PART_S)


def _is_same(before: Sample, now: Sample) -> bool:
    if before.frames.shape != now.frames.shape:
        return False
    return float(np.abs(now.frames.astype(np.int16) - before.frames).mean()) < _SAME


def _to_jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
