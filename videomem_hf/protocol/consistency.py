"""How well the annotations agree with each other (Sec. 4.1).

Two measures, both Spearman's rank correlation between the scores of two halves of the annotations, averaged over random
splits:

- *Human consistency*: the participants are split into two groups of equal size; a video's annotations may then be split
  unequally.
- *Annotation consistency*: each video's annotations are split into two halves of equal size, over the videos with at
  least N annotations. It grows with N and is interpolated at a mean annotation count. Where all videos have about the
  same count, leaving out annotations at random (`thin`) gives the consistency at smaller counts.

A half holds half of the annotations behind a score, so both measures understate the agreement with another study of the
same size. That agreement (`expected_consistency`) is the consistency with the study's mean count in *each* half:
measured where the most annotated videos have that many annotations, else projected by the Spearman-Brown formula.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol import scoring
from videomem_hf.protocol.scoring import Sums, TargetAnnotations, sum_by_video
from videomem_hf.statistics import Floats, spearman, spearman_brown

SPLITS: Final = 25  # random splits that a consistency is averaged over (Sec. 4.1)
FEWEST_VIDEOS: Final = 100  # of a point of the curve: a rank correlation over fewer is mostly noise
_ENOUGH_VIDEOS: Final = 400  # to know a rank correlation to about .05; with fewer it is projected, not interpolated
_MOST_POINTS: Final = 40
_MOST_THINNED: Final = 10
_NEAR: Final = 0.5
"""How far a mean may lie below the curve's first point, which leaves out videos with a single annotation."""


@dataclass(frozen=True)
class Consistency:
    """Agreement between random halves.

    Attributes:
        spearman: Mean over the splits of the rank correlation between the two halves' scores, in [-1, 1]; 1 is best.
        sd: Standard deviation over the splits.
        videos: Videos with a score in both halves, on average over the splits.
        annotations: Mean annotation count of these videos, both halves together.
    """

    spearman: float
    sd: float
    splits: int
    videos: float
    annotations: float


@dataclass(frozen=True, eq=False)
class ConsistencyCurve:
    """Annotation consistency as a function of the number of annotations (Fig. 4), one element per point.

    Attributes:
        at_least: Lowest annotation count of the point's videos (thinned: annotations kept of each).
        annotations: Their mean annotation count, both halves together.
        spearman, sd: Of the rank correlation between the halves: mean and standard deviation over the splits.
    """

    at_least: NDArray[np.int64]
    annotations: Floats
    videos: NDArray[np.int64]
    spearman: Floats
    sd: Floats

    def at(self, annotations: float) -> float:
        """The consistency at a mean annotation count, interpolated; NaN outside the curve."""
        if not len(self.annotations) or annotations < self.annotations[0] - _NEAR:
            return float("nan")
        return float(np.interp(annotations, self.annotations, self.spearman, right=np.nan))


class Expected(NamedTuple):
    """A rank correlation, `measured` (interpolated) on the curve or else projected by the Spearman-Brown formula."""

    spearman: float
    measured: bool


def human_consistency(
    annotations: TargetAnnotations, videos: int, *, to_lag: int | None = None, splits: int = SPLITS, seed: int = 0
) -> Consistency:
    """Split the participants at random into two groups of equal size and compare the groups' scores.

    Args:
        annotations: The annotations of one horizon.
        videos: Number of videos.
        to_lag: Lag that each group's scores are corrected to, by the group's own slope; None for no correction.
        splits: Number of random splits.
        seed: The result is a pure function of the input and the seed.
    """
    generator = np.random.default_rng([seed, 1])
    participants = np.unique(annotations.participant)
    total = sum_by_video(annotations, videos)
    correlations, numbers, means = [], [], []
    for _ in range(splits):
        chosen = np.zeros(int(participants.max(initial=0)) + 1, dtype=bool)
        chosen[participants[np.argsort(generator.random(len(participants)))[: len(participants) // 2]]] = True
        first = sum_by_video(annotations, videos, chosen[annotations.participant])
        second = total - first
        both = (first.annotations > 0) & (second.annotations > 0)
        x, y = (_corrected_scores(half, to_lag) for half in (first, second))
        correlations.append(_rank_correlation(x, y, both))
        numbers.append(both.sum())
        means.append(total.annotations[both].mean() if both.any() else np.nan)
    values = np.array(correlations)
    return Consistency(finite_mean(values), _sd(values), splits, float(np.mean(numbers)), float(np.mean(means)))


def annotation_consistency(
    annotations: TargetAnnotations,
    videos: int,
    *,
    thin: bool = False,
    to_lag: int | None = None,
    splits: int = SPLITS,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> ConsistencyCurve:
    """Split each video's annotations at random into halves and compare them, over videos with at least N annotations.

    The halves of a video differ by at most one annotation. The curve goes from all videos with two annotations or more
    up to the largest N that leaves `FEWEST_VIDEOS`; with fewer videos than that it has one point.

    Args:
        annotations, videos, to_lag, splits, seed: As in `human_consistency`.
        thin: Keep N annotations of each of these videos instead of all, for even N up to the median annotation count.
        progress: Called with 1 after each split.
    """
    generator = np.random.default_rng([seed, 3 if thin else 2])
    counts = np.bincount(annotations.video, minlength=videos).astype(np.float64)
    points = _even_counts(counts) if thin else _thresholds(counts)
    halves = RandomHalves(annotations.video, videos)
    correlations = np.full((splits, len(points)), np.nan)

    def score_halves(half: NDArray[np.bool_], kept: NDArray[np.bool_] | bool) -> list[Floats]:
        return [_corrected_scores(sum_by_video(annotations, videos, mask & kept), to_lag) for mask in (half, ~half)]

    for split in range(splits):
        half, rank = halves.draw(generator)
        pair = score_halves(half, True)
        for point, number in enumerate(points):
            first, second = score_halves(half, rank < number) if thin else pair
            correlations[split, point] = _rank_correlation(first, second, counts >= number)
        if progress is not None:
            progress(1)
    return ConsistencyCurve(
        at_least=np.array(points, dtype=np.int64),
        annotations=np.array([number if thin else counts[counts >= number].mean() for number in points], np.float64),
        videos=np.array([(counts >= number).sum() for number in points], dtype=np.int64),
        spearman=np.array([finite_mean(values) for values in correlations.T]),
        sd=np.array([_sd(values) for values in correlations.T]),
    )


def expected_consistency(curve: ConsistencyCurve, annotations: float) -> Expected:
    """The consistency to expect between two studies with this mean annotation count each.

    Interpolated if the curve reaches twice the count, which leaves the count for each half, over enough videos; else
    projected from the curve's first point.
    """
    if not len(curve.annotations):
        return Expected(float("nan"), False)
    reach = curve.annotations[curve.videos >= _ENOUGH_VIDEOS]
    if len(reach) and reach[-1] >= 2 * annotations:
        return Expected(curve.at(2 * annotations), True)
    in_a_half = curve.annotations[0] / 2
    return Expected(spearman_brown(float(curve.spearman[0]), annotations / in_a_half), False)


def reliability(sums: Sums, scores: Floats) -> float:
    """Share of the scores' variance that is not sampling noise, at most 1; NaN with fewer than two videos.

    The noise is the binomial `sampling_variance`. The rank correlation with another study of equal size is about this.
    """
    several = sums.annotations > 1
    variance = float(scores[several].var()) if several.any() else 0.0
    return 1 - scoring.sampling_variance(sums) / variance if variance > 0 else float("nan")


class RandomHalves:
    """The annotations sorted by video, to split each video's annotations at random into halves."""

    def __init__(self, video: NDArray[np.int64], videos: int) -> None:
        self._order = np.argsort(video, kind="stable")
        self._video = video[self._order].astype(np.float64)
        self._counts, self._videos = np.bincount(video, minlength=videos), videos
        starts = np.cumsum(self._counts) - self._counts
        self._rank = np.arange(len(video)) - np.repeat(starts, self._counts)

    def draw(self, generator: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Draw halves: a mask of one half and each annotation's rank within its video (from 0), `(annotations,)` both.

        Annotations alternate between the halves, so that the first k of a video are halved as well for even k. Which
        half comes first, and so gets the odd annotation, is drawn.
        """
        shuffled = self._order[np.argsort(self._video + generator.random(len(self._video)))]
        starts_first = np.repeat((generator.random(self._videos) < 0.5).astype(np.int64), self._counts)
        half, rank = np.empty(len(shuffled), dtype=bool), np.empty(len(shuffled), dtype=np.int64)
        half[shuffled], rank[shuffled] = (self._rank + starts_first) % 2 == 0, self._rank
        return half, rank


def _even_counts(counts: Floats) -> list[int]:
    """At most `_MOST_THINNED` even annotation counts up to the median."""
    several = counts[counts > 1]
    highest = np.median(several) if len(several) > 1 else 0
    return _thin_out(np.arange(2, highest + 1, 2, dtype=np.int64), _MOST_THINNED)


def _thresholds(counts: Floats) -> list[int]:
    """At most `_MOST_POINTS` of the annotation counts that occur, up to the highest that leaves `FEWEST_VIDEOS`."""
    several = np.sort(counts[counts > 1]).astype(np.int64)
    if len(several) < 2:
        return []
    highest = several[max(len(several) - FEWEST_VIDEOS, 0)]
    return _thin_out(np.unique(several[several <= highest]), _MOST_POINTS)


def _thin_out(values: NDArray[np.int64], most: int) -> list[int]:
    """All values, or `most` of them at equal distances with the first and the last among them."""
    if len(values) > most:
        values = values[np.linspace(0, len(values) - 1, most).round().astype(int)]
    return values.tolist()


def _corrected_scores(sums: Sums, to_lag: int | None) -> Floats:
    return scoring.correct_scores(sums, None if to_lag is None else scoring.fit_correction(sums, to_lag))


def _rank_correlation(first: Floats, second: Floats, videos: NDArray[np.bool_]) -> float:
    """Rank correlation over a mask of videos; NaN where it is not defined."""
    x, y = first[videos], second[videos]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return spearman(x, y)


def finite_mean(values: Floats) -> float:
    """The mean without NaN; NaN of nothing."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _sd(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")
