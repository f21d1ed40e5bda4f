"""How well the annotations agree with each other (Sec. 4.1).

Two measures, both Spearman's rank correlation between the scores of two halves of the answers, averaged over random
splits:

- *Human consistency*: the participants are split in two groups of one size. A video's answers then fall unequally.
- *Annotation consistency*: each video's own answers are split in two halves of one size, over the videos with at least
  N annotations. It grows with N, and is read off at a mean number of annotations. Where every video has about the same
  number, dropping answers at random gives the consistency at smaller numbers (`thinned_consistency`).

A half holds half of the annotations that a score rests on, so both understate how a score would agree with one of
another study of the same size. What to expect there is the consistency at as many annotations in *each* half: measured
where the most annotated videos reach that far, else projected by the Spearman-Brown formula, and said which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.scoring import Sums, TargetAnswers, corrected, fit_correction, sums_of
from videomem_hf.statistics import spearman, spearman_brown

Floats = NDArray[np.float64]

SPLITS: Final = 25
"""Random splits that a consistency is averaged over (Sec. 4.1)."""

FEWEST_VIDEOS: Final = 100
"""A point of the curve has at least so many videos: a rank correlation of fewer is mostly chance."""

_ENOUGH_VIDEOS: Final = 400
"""Videos for a rank correlation to be known to about .05, so that it is read off rather than projected."""

_MOST_POINTS: Final = 40
_MOST_THINNED: Final = 10
_NEAR: Final = 0.5
"""Annotations by which a mean may lie below the curve's first point, which leaves out videos with a single one."""


@dataclass(frozen=True)
class Consistency:
    """Agreement between random halves.

    Attributes:
        spearman: Mean over the splits of the rank correlation between the two halves' scores, in [-1, 1]; 1 is best.
        sd: Standard deviation over the splits.
        splits: Number of splits.
        videos: Videos with a score in both halves, on average over the splits.
        annotations: Mean number of annotations of these videos, both halves together.
    """

    spearman: float
    sd: float
    splits: int
    videos: float
    annotations: float


@dataclass(frozen=True, eq=False)
class ConsistencyCurve:
    """Annotation consistency as a function of the number of annotations (Fig. 4), one element a point.

    Attributes:
        at_least: Annotations that the point's videos have at least (thinned: and at most).
        annotations: Their mean number, both halves together.
        videos: How many videos there are.
        spearman: Mean rank correlation between the halves over the splits.
        sd: Standard deviation over the splits.
    """

    at_least: NDArray[np.int64]
    annotations: Floats
    videos: NDArray[np.int64]
    spearman: Floats
    sd: Floats

    def at(self, annotations: float) -> float:
        """The consistency at a mean number of annotations, interpolated; NaN where the curve does not reach."""
        if not len(self.annotations) or annotations < self.annotations[0] - _NEAR:
            return float("nan")
        return float(np.interp(annotations, self.annotations, self.spearman, right=np.nan))


@dataclass(frozen=True)
class Expected:
    """The consistency to expect between two studies of a size.

    Attributes:
        spearman: The rank correlation.
        measured: Whether it was read off the curve; else it is projected from the halves by Spearman-Brown.
    """

    spearman: float
    measured: bool


def human_consistency(
    answers: TargetAnswers, videos: int, *, to_lag: int | None = None, splits: int = SPLITS, seed: int = 0
) -> Consistency:
    """Split the participants at random into two groups of equal size and compare the groups' scores.

    Args:
        answers: The answers of one horizon.
        videos: Number of videos.
        to_lag: Lag that each group's scores are corrected to, by the group's own slope; None for no correction.
        splits: Number of random splits.
        seed: The result is a pure function of the input and the seed.
    """
    generator = np.random.default_rng([seed, 1])
    people = np.unique(answers.participant)
    everything = sums_of(answers, videos)
    correlations, numbers, annotations = [], [], []
    for _ in range(splits):
        chosen = np.zeros(int(people.max(initial=0)) + 1, dtype=bool)
        chosen[people[np.argsort(generator.random(len(people)))[: len(people) // 2]]] = True
        first = sums_of(answers, videos, chosen[answers.participant])
        second = everything - first
        both = (first.answers > 0) & (second.answers > 0)
        correlations.append(_agreement(_scored(first, to_lag), _scored(second, to_lag), both))
        numbers.append(both.sum())
        annotations.append(everything.answers[both].mean() if both.any() else np.nan)
    values = np.array(correlations)
    return Consistency(_mean(values), _sd(values), splits, float(np.mean(numbers)), float(np.mean(annotations)))


def annotation_consistency(
    answers: TargetAnswers,
    videos: int,
    *,
    to_lag: int | None = None,
    splits: int = SPLITS,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> ConsistencyCurve:
    """Split each video's answers at random into halves and compare them, over videos with at least N annotations.

    The halves of a video differ by at most one answer. The curve goes from all videos with two annotations or more up
    to the largest N that leaves `FEWEST_VIDEOS`, or has the one point of all videos where there are fewer than that.

    Args:
        answers: The answers of one horizon.
        videos: Number of videos.
        to_lag: As in `human_consistency`.
        splits: Number of random splits.
        seed: The result is a pure function of the input and the seed.
        progress: Called with 1 after each split.
    """
    generator = np.random.default_rng([seed, 2])
    everything = sums_of(answers, videos)
    at_least = _thresholds(everything.answers)
    halves = _Halves(answers.video, videos)
    correlations = np.full((splits, len(at_least)), np.nan)
    for split in range(splits):
        first = sums_of(answers, videos, halves.draw(generator)[0])
        scores = _scored(first, to_lag), _scored(everything - first, to_lag)
        for point, fewest in enumerate(at_least):
            correlations[split, point] = _agreement(*scores, everything.answers >= fewest)
        if progress is not None:
            progress(1)
    means = [everything.answers[everything.answers >= fewest].mean() for fewest in at_least]
    return _curve(at_least, np.array(means), everything.answers, correlations)


def thinned_consistency(
    answers: TargetAnswers,
    videos: int,
    *,
    to_lag: int | None = None,
    splits: int = SPLITS,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> ConsistencyCurve:
    """Keep k annotations of each video that has as many, half of them in each half, for even k up to the median number.

    Arguments as in `annotation_consistency`.
    """
    generator = np.random.default_rng([seed, 3])
    numbers = np.bincount(answers.video, minlength=videos).astype(np.float64)
    kept = _even_numbers(numbers)
    halves = _Halves(answers.video, videos)
    correlations = np.full((splits, len(kept)), np.nan)
    for split in range(splits):
        half, place = halves.draw(generator)
        for point, number in enumerate(kept):
            parts = (sums_of(answers, videos, mask & (place < number)) for mask in (half, ~half))
            first, second = (_scored(part, to_lag) for part in parts)
            correlations[split, point] = _agreement(first, second, numbers >= number)
        if progress is not None:
            progress(1)
    return _curve(kept, np.array(kept, dtype=np.float64), numbers, correlations)


def expected_consistency(curve: ConsistencyCurve, annotations: float) -> Expected:
    """The consistency to expect between two studies with this mean number of annotations each.

    Read off where the curve reaches twice as many annotations, half of them in each half, over enough videos; else
    projected from the point of all videos.
    """
    if not len(curve.annotations):
        return Expected(float("nan"), False)
    reach = curve.annotations[curve.videos >= _ENOUGH_VIDEOS]
    if len(reach) and reach[-1] >= 2 * annotations:
        return Expected(curve.at(2 * annotations), True)
    in_a_half = curve.annotations[0] / 2
    return Expected(spearman_brown(float(curve.spearman[0]), annotations / in_a_half), False)


def reliability(sums: Sums, scores: Floats) -> float:
    """Share of the scores' variance that is not the noise of counting, at most 1; NaN with fewer than two videos.

    The noise is binomial: the mean over videos of p (1 - p) / (n - 1). Scores come from independent answers, and their
    rank correlation with an equal study's is about this.
    """
    several = sums.answers > 1
    if several.sum() < 2:
        return float("nan")
    n, raw = sums.answers[several], sums.hits[several] / sums.answers[several]
    variance = scores[several].var()
    return float(1 - (raw * (1 - raw) / (n - 1)).mean() / variance) if variance > 0 else float("nan")


class _Halves:
    """The answers in the order of their videos, to halve each video's answers at random."""

    def __init__(self, video: NDArray[np.int64], videos: int) -> None:
        self._order = np.argsort(video, kind="stable")
        self._video = video[self._order].astype(np.float64)
        self._numbers, self._videos = np.bincount(video, minlength=videos), videos
        starts = np.cumsum(self._numbers) - self._numbers
        self._place = np.arange(len(video)) - np.repeat(starts, self._numbers)

    def draw(self, generator: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Draw halves: a mask of one half, and each answer's place among its video's from 0, `(answers,)` both.

        Answers fall into the halves by turns, so that the first k of a video, for even k, are halved as well. Who
        begins, and so gets the odd answer, is drawn.
        """
        shuffled = self._order[np.argsort(self._video + generator.random(len(self._video)))]
        begins = np.repeat((generator.random(self._videos) < 0.5).astype(np.int64), self._numbers)
        half, place = np.empty(len(shuffled), dtype=bool), np.empty(len(shuffled), dtype=np.int64)
        half[shuffled], place[shuffled] = (self._place + begins) % 2 == 0, self._place
        return half, place


def _curve(
    at_least: list[int], annotations: Floats, numbers: Floats, correlations: NDArray[np.float64]
) -> ConsistencyCurve:
    return ConsistencyCurve(
        at_least=np.array(at_least, dtype=np.int64),
        annotations=annotations,
        videos=np.array([(numbers >= fewest).sum() for fewest in at_least], dtype=np.int64),
        spearman=np.array([_mean(values) for values in correlations.T]),
        sd=np.array([_sd(values) for values in correlations.T]),
    )


def _even_numbers(numbers: Floats) -> list[int]:
    """Even numbers of annotations up to the median, thinned."""
    some = numbers[numbers > 1]
    found = np.arange(2, np.median(some) + 1, 2, dtype=np.int64) if len(some) > 1 else np.zeros(0, np.int64)
    if len(found) > _MOST_THINNED:
        found = found[np.unique(np.linspace(0, len(found) - 1, _MOST_THINNED).round().astype(int))]
    return found.tolist()


def _thresholds(annotations: Floats) -> list[int]:
    """Numbers N that divide the videos by their annotations: every number that occurs, thinned to `_MOST_POINTS`."""
    several = np.sort(annotations[annotations > 1])
    if len(several) < 2:
        return []
    highest = several[max(len(several) - FEWEST_VIDEOS, 0)]
    found = np.unique(several[several <= highest])
    if len(found) > _MOST_POINTS:
        found = found[np.unique(np.linspace(0, len(found) - 1, _MOST_POINTS).round().astype(int))]
    return [int(number) for number in found]


def _scored(sums: Sums, to_lag: int | None) -> Floats:
    return corrected(sums, None if to_lag is None else fit_correction(sums, to_lag))


def _agreement(first: Floats, second: Floats, videos: NDArray[np.bool_]) -> float:
    """Rank correlation over a mask of videos; NaN where it is not defined."""
    x, y = first[videos], second[videos]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return spearman(x, y)


def _mean(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _sd(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")
