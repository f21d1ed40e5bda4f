"""The analyses of the paper's Sec. 4 for another study: consistency, retention, agreement, response times."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from videomem_hf.protocol import consistency
from videomem_hf.protocol.annotations import Annotations
from videomem_hf.protocol.clustered import centre, fit_slope
from videomem_hf.protocol.consistency import SPLITS, Consistency, ConsistencyCurve, Expected
from videomem_hf.protocol.scoring import StudyScores, TargetAnnotations, sum_by_video
from videomem_hf.protocol.screening import quotient
from videomem_hf.schema import HORIZONS, Horizon
from videomem_hf.statistics import Floats, pearson, spearman

MOST_ANNOTATED: Final = (500, 100)
"""Sizes of the subsets of the videos most annotated in the long term (Sec. 4.2)."""
_DELAY_BINS: Final = 12
"""Bins over the delays that the design allows: of 4 hours each in the paper's."""


class Correlation(NamedTuple):
    """A correlation over videos with its two-sided p-value; both NaN where undefined.

    The p-value is that of the same correlation of responses relative to the participant's own means: an able or quick
    participant changes the values of all their videos.
    """

    value: float
    p_value: float
    videos: int


class LineFit(NamedTuple):
    """A least-squares line through all annotations: hit (1) or miss (0) against the interval.

    The p-value of "no slope" is by participant.
    """

    intercept: float
    slope: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Retention:
    """Hit rate against the retention interval (Fig. 3), one element per lag, or per bin by its centre in hours.

    The `line` is fitted to all annotations; None where the interval is unknown or does not vary.
    """

    interval: Floats
    rate: Floats
    annotations: NDArray[np.int64]
    line: LineFit | None


class PairedTest(NamedTuple):
    """Student's t-test for paired samples: each video's mean response time in the two steps, as in the paper.

    The p-value is that of the same test over participants who passed both steps: the videos share their participants.
    """

    t: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, eq=False)
class HorizonAnalysis:
    """The analyses of one horizon.

    Attributes:
        human: NaN with fewer than two participants.
        curve, thinned: Annotation consistency (Fig. 4), `thinned` over all videos with annotations left out.
        expected: Between two studies of this size.
        rt_with_score: Pearson's correlation of mean response time and score (Fig. 6).
        rt_ms, false_rt_ms: Mean response times of hits and of false alarms.
    """

    retention: Retention
    human: Consistency
    curve: ConsistencyCurve
    thinned: ConsistencyCurve
    expected: Expected
    reliability: float
    rt_with_score: Correlation
    rt_ms: float
    false_rt_ms: float


@dataclass(frozen=True, eq=False)
class StudyAnalysis:
    """The analyses of a study.

    Attributes:
        horizons: Only those that have annotations.
        short_with_long: Spearman's correlation of the two scores over all videos with both (Fig. 5).
        short_with_long_most: The same over the most annotated videos, keyed by how many they are.
        short_with_long_pearson: Pearson's correlation of the two scores.
        rt_short_with_long: Pearson's correlation of the two mean response times.
        rt_test: Whether response times differ between the steps.
    """

    scores: StudyScores
    horizons: dict[Horizon, HorizonAnalysis]
    short_with_long: Correlation
    short_with_long_most: dict[int, Correlation]
    short_with_long_pearson: Correlation
    rt_short_with_long: Correlation
    rt_test: PairedTest


def analyse_study(
    annotations: Annotations,
    scores: StudyScores,
    *,
    splits: int = SPLITS,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> StudyAnalysis:
    """Analyse a scored study, each consistency over random splits drawn by `seed`.

    `progress` is called with the splits done since the last call; `splits_in_all` gives the total.
    """
    horizons = {
        horizon: _analyse_horizon(annotations, scores, horizon, splits, seed, progress)
        for horizon in HORIZONS
        if len(scores.annotations[horizon])
    }
    short, long = (scores.scores[horizon] for horizon in HORIZONS)
    hits = tuple(_relative_hits(scores, horizon) for horizon in HORIZONS)
    times = tuple(_relative_rt(scores.annotations[horizon], len(scores.videos)) for horizon in HORIZONS)
    both = (short.annotations > 0) & (long.annotations > 0)
    by_count = np.argsort(-long.annotations, kind="stable")
    most = {size: by_count[:size] for size in MOST_ANNOTATED if size < both.sum()}
    return StudyAnalysis(
        scores=scores,
        horizons=horizons,
        short_with_long=_correlation(spearman, short.score, long.score, *hits),
        short_with_long_most={
            size: _correlation(spearman, short.score[which], long.score[which], *(each[which] for each in hits))
            for size, which in most.items()
        },
        short_with_long_pearson=_correlation(pearson, short.score, long.score, *hits),
        rt_short_with_long=_correlation(pearson, short.rt_ms, long.rt_ms, *times),
        rt_test=_rt_test(scores),
    )


def splits_in_all(scores: StudyScores, splits: int = SPLITS) -> int:
    """The number of splits that `analyse_study` reports as progress."""
    return 2 * splits * sum(len(scores.annotations[horizon]) > 0 for horizon in HORIZONS)


def retention(annotations: TargetAnnotations, bins: Floats | None = None) -> Retention:
    """Hit rate against the interval, for the annotations of one horizon: at each whole number, or in bins by edges."""
    known = np.isfinite(annotations.interval) & (annotations.interval > 0)
    interval, hit = annotations.interval[known], annotations.hit[known].astype(np.float64)
    edges = np.arange(interval.min(initial=0), interval.max(initial=0) + 2) - 0.5 if bins is None else bins
    counts, hits = np.histogram(interval, edges)[0], np.histogram(interval, edges, weights=hit)[0]
    some = counts > 0
    centres = ((edges[:-1] + edges[1:]) / 2)[some]
    return Retention(centres, hits[some] / counts[some], counts[some], _fit_line(annotations, known))


def _fit_line(annotations: TargetAnnotations, known: NDArray[np.bool_]) -> LineFit | None:
    interval, hit = annotations.interval[known], annotations.hit[known].astype(np.float64)
    if len(interval) < 3:
        return None
    fit = fit_slope(interval, hit, annotations.participant[known], np.zeros(len(interval), dtype=np.int8))
    return fit and LineFit(float(hit.mean() - fit.slope * interval.mean()), fit.slope, fit.p_value)


def _analyse_horizon(
    annotations: Annotations,
    scores: StudyScores,
    horizon: Horizon,
    splits: int,
    seed: int,
    progress: Callable[[int], object] | None,
) -> HorizonAnalysis:
    targets, values, videos = scores.annotations[horizon], scores.scores[horizon], len(scores.videos)
    to_lag = scores.design.step1.target_lag_max if horizon == "short_term" and scores.corrected else None
    measure = partial(consistency.annotation_consistency, to_lag=to_lag, splits=splits, seed=seed, progress=progress)
    curve = measure(targets, videos)
    mean = float(values.annotations[values.annotations > 0].mean())
    relative = _relative_rt(targets, videos), _relative_hits(scores, horizon)
    step = scores.design.step2
    bins = None if horizon == "short_term" else np.linspace(step.delay_min_h, step.delay_max_h, _DELAY_BINS + 1)
    return HorizonAnalysis(
        retention=retention(targets, bins),
        human=consistency.human_consistency(targets, videos, to_lag=to_lag, splits=splits, seed=seed),
        curve=curve,
        thinned=measure(targets, videos, thin=True),
        expected=consistency.expected_consistency(curve, mean),
        reliability=consistency.reliability(sum_by_video(targets, videos), values.score),
        rt_with_score=_correlation(pearson, values.rt_ms, values.score, *relative),
        rt_ms=consistency.finite_mean(targets.rt_ms[targets.hit]),
        false_rt_ms=_false_rt_ms(annotations, scores, horizon),
    )


def _false_rt_ms(annotations: Annotations, scores: StudyScores, horizon: Horizon) -> float:
    step = scores.screening.step1 if horizon == "short_term" else scores.screening.step2
    rows = (annotations.step == step.step) & ~annotations.repeat & annotations.pressed
    return consistency.finite_mean(annotations.rt_ms[rows & step.passed[annotations.participant]].astype(np.float64))


def _both(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _correlation(
    statistic: Callable[[Floats, Floats], float], x: Floats, y: Floats, relative_x: Floats, relative_y: Floats
) -> Correlation:
    """A correlation over the videos that have both values: NaN, with a warning, where one of them is constant.

    The p-value is that of the values relative to the participants' means, `(videos,)` as the others.
    """
    x, y = _both(x, y)
    value = statistic(x, y) if len(x) > 2 else float("nan")
    relative_x, relative_y = _both(relative_x, relative_y)
    if np.isnan(value) or min(np.ptp(relative_x), np.ptp(relative_y)) == 0:
        return Correlation(value, float("nan"), len(x))
    test = stats.spearmanr if statistic is spearman else stats.pearsonr
    return Correlation(value, float(test(relative_x, relative_y).pvalue), len(x))


def _relative_hits(scores: StudyScores, horizon: Horizon) -> Floats:
    """Each video's hit rate less the participants' means, along the line of the lag where scores are corrected."""
    part, correction = scores.annotations[horizon], scores.correction
    hit = part.hit.astype(np.float64)
    if horizon == "short_term" and scores.corrected and correction is not None:
        hit += correction.slope * (correction.to_lag - part.interval)
    return relative_means(hit, part.participant, part.video, len(scores.videos))


def _relative_rt(part: TargetAnnotations, videos: int) -> Floats:
    timed = part.hit & np.isfinite(part.rt_ms)
    return relative_means(part.rt_ms[timed], part.participant[timed], part.video[timed], videos)


def relative_means(values: Floats, participant: NDArray[np.int64], video: NDArray[np.int64], videos: int) -> Floats:
    """Means by video, `(videos,)`, of responses less their participant's mean; NaN for a video without any.

    Where nobody gave two responses, these are taken as they are.
    """
    if len(np.unique(participant)) < len(participant):
        values = centre(values, participant)
    return _mean_by(video, values, videos)


def _mean_by(index: NDArray[np.int64], values: Floats, size: int) -> Floats:
    """Means of the values with each index, `(size,)`; NaN where there is none."""
    return quotient(np.bincount(index, values, size), np.bincount(index, minlength=size))


def _rt_test(scores: StudyScores) -> PairedTest:
    by_video = _paired_test(*(scores.scores[horizon].rt_ms for horizon in HORIZONS))
    people = len(scores.screening.participants)
    means = []
    for horizon in HORIZONS:
        part = scores.annotations[horizon]
        timed = part.hit & np.isfinite(part.rt_ms)
        means.append(_mean_by(part.participant[timed], part.rt_ms[timed], people))
    return PairedTest(by_video.t, by_video.degrees_of_freedom, _paired_test(means[0], means[1]).p_value)


def _paired_test(x: Floats, y: Floats) -> PairedTest:
    x, y = _both(x, y)
    if len(x) < 2 or np.ptp(x - y) == 0:
        return PairedTest(float("nan"), max(len(x) - 1, 0), float("nan"))
    result = stats.ttest_rel(x, y)
    return PairedTest(float(result.statistic), len(x) - 1, float(result.pvalue))
