"""Everything that Sec. 4 of the paper says of its annotations, computed for another study."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from videomem_hf.protocol.annotations import Annotations
from videomem_hf.protocol.consistency import (
    SPLITS,
    Consistency,
    ConsistencyCurve,
    Expected,
    annotation_consistency,
    expected_consistency,
    human_consistency,
    reliability,
    thinned_consistency,
)
from videomem_hf.protocol.scoring import StudyScores, TargetAnswers, sums_of
from videomem_hf.schema import HORIZONS, Horizon

Floats = NDArray[np.float64]

MOST_ANNOTATED: Final = (500, 100)
"""Sizes of the subsets of the videos most annotated in the long term (Sec. 4.2)."""


@dataclass(frozen=True)
class Correlation:
    """A correlation over videos with its two-sided p-value; both NaN where it is not defined."""

    value: float
    p_value: float
    videos: int


@dataclass(frozen=True)
class LineFit:
    """A straight line through all answers: recognised or not, against the interval.

    Attributes:
        intercept: Recognition rate at an interval of 0.
        slope: Change of the rate with each unit of the interval.
        standard_error: Of the slope.
        p_value: Two-sided, of "no slope".
    """

    intercept: float
    slope: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Retention:
    """Recognition against the retention interval (Fig. 3), one element an interval.

    Attributes:
        interval: Lag in videos, or hours (centres of the bins).
        rate: Share of the answers that are hits.
        answers: How many answers there are.
        line: Fitted to all answers; None where the interval is unknown or does not vary.
    """

    interval: Floats
    rate: Floats
    answers: NDArray[np.int64]
    line: LineFit | None


@dataclass(frozen=True)
class PairedTest:
    """Student's t-test for paired samples: a mean response time of each video in either step."""

    t: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, eq=False)
class HorizonAnalysis:
    """What Sec. 4 says of one horizon.

    Attributes:
        retention: Fig. 3.
        human: Human consistency, or None with fewer than two participants.
        curve: Annotation consistency over the more and more annotated videos (Fig. 4).
        thinned: The same over all videos, with answers left out.
        expected: The consistency to expect between two studies of this size.
        reliability: Share of the scores' variance that is not noise.
        rt_with_score: Pearson's correlation of mean response time and score (Fig. 6).
        rt_ms: Mean response time of correct detections, over answers.
        false_rt_ms: Mean response time of false alarms, over answers.
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
    """Everything of Sec. 4.

    Attributes:
        scores: The scored study.
        horizons: What is said of each horizon; a horizon without answers is missing.
        short_with_long: Spearman's correlation of the scores over all videos with both (Fig. 5).
        short_with_long_most: The same over the most annotated videos, by their number.
        short_with_long_pearson: Pearson's correlation of the scores.
        rt_short_with_long: Pearson's correlation of the mean response times.
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
    """Analyse a scored study.

    Args:
        annotations: The answers.
        scores: What `score_study` made of them.
        splits: Random splits of each consistency.
        seed: The splits are a function of it.
        progress: Called with the splits done since the last call; `splits_in_all` says how many there will be.
    """
    horizons = {
        horizon: _analyse_horizon(annotations, scores, horizon, splits, seed, progress)
        for horizon in HORIZONS
        if len(scores.answers[horizon])
    }
    short, long = (scores.scores[horizon] for horizon in HORIZONS)
    both = (short.annotations > 0) & (long.annotations > 0)
    order = np.argsort(-long.annotations, kind="stable")
    most = {size: order[:size] for size in MOST_ANNOTATED if size < both.sum()}
    return StudyAnalysis(
        scores=scores,
        horizons=horizons,
        short_with_long=_spearman(short.score, long.score),
        short_with_long_most={size: _spearman(short.score[which], long.score[which]) for size, which in most.items()},
        short_with_long_pearson=_pearson(short.score, long.score),
        rt_short_with_long=_pearson(short.rt_ms, long.rt_ms),
        rt_test=_paired_test(short.rt_ms, long.rt_ms),
    )


def splits_in_all(scores: StudyScores, splits: int = SPLITS) -> int:
    """How many splits `analyse_study` will report as progress."""
    return 2 * splits * sum(len(scores.answers[horizon]) > 0 for horizon in HORIZONS)


def retention(answers: TargetAnswers, bins: Floats | None = None) -> Retention:
    """Recognition against the interval: for each whole interval, or in bins.

    Args:
        answers: The answers of one horizon.
        bins: Edges of the bins; None for whole numbers.
    """
    known = np.isfinite(answers.interval)
    interval, hit = answers.interval[known], answers.hit[known].astype(np.float64)
    edges = np.arange(interval.min(initial=0), interval.max(initial=0) + 2) - 0.5 if bins is None else bins
    place = np.searchsorted(edges, interval, side="right") - 1
    within = (place >= 0) & (place < len(edges) - 1)
    shown = np.bincount(place[within], minlength=len(edges) - 1)
    hits = np.bincount(place[within], hit[within], minlength=len(edges) - 1)
    some = shown > 0
    centres = ((edges[:-1] + edges[1:]) / 2)[some]
    return Retention(centres, hits[some] / shown[some], shown[some], _line(interval, hit))


def _line(interval: Floats, hit: Floats) -> LineFit | None:
    if len(interval) < 3 or np.ptp(interval) == 0:
        return None
    fit = stats.linregress(interval, hit)
    return LineFit(float(fit.intercept), float(fit.slope), float(fit.stderr), float(fit.pvalue))


def _analyse_horizon(
    annotations: Annotations,
    scores: StudyScores,
    horizon: Horizon,
    splits: int,
    seed: int,
    progress: Callable[[int], object] | None,
) -> HorizonAnalysis:
    answers, values, videos = scores.answers[horizon], scores.scores[horizon], len(scores.videos)
    to_lag = scores.design.step1.target_lag_max if horizon == "short_term" else None
    curve = annotation_consistency(answers, videos, to_lag=to_lag, splits=splits, seed=seed, progress=progress)
    thinned = thinned_consistency(answers, videos, to_lag=to_lag, splits=splits, seed=seed, progress=progress)
    mean = float(values.annotations[values.annotations > 0].mean())
    return HorizonAnalysis(
        retention=retention(answers, None if horizon == "short_term" else _delay_bins(scores)),
        human=human_consistency(answers, videos, to_lag=to_lag, splits=splits, seed=seed),
        curve=curve,
        thinned=thinned,
        expected=expected_consistency(curve, mean),
        reliability=reliability(sums_of(answers, videos), values.score),
        rt_with_score=_pearson(values.rt_ms, values.score),
        rt_ms=_nan_mean(answers.rt_ms[answers.hit]),
        false_rt_ms=_false_rt_ms(annotations, scores, horizon),
    )


def _delay_bins(scores: StudyScores) -> Floats:
    """Twelve bins over the delays that the design allows: of 4 hours each in the paper's."""
    return np.linspace(scores.design.step2.delay_min_h, scores.design.step2.delay_max_h, 13)


def _false_rt_ms(annotations: Annotations, scores: StudyScores, horizon: Horizon) -> float:
    step = scores.screening.step1 if horizon == "short_term" else scores.screening.step2
    rows = (annotations.step == step.step) & ~annotations.repeat & annotations.answered
    return _nan_mean(annotations.rt_ms[rows & step.passed[annotations.participant]].astype(np.float64))


def _nan_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _both(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _pearson(x: Floats, y: Floats) -> Correlation:
    x, y = _both(x, y)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(float("nan"), float("nan"), len(x))
    result = stats.pearsonr(x, y)
    return Correlation(float(result.statistic), float(result.pvalue), len(x))


def _spearman(x: Floats, y: Floats) -> Correlation:
    x, y = _both(x, y)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(float("nan"), float("nan"), len(x))
    result = stats.spearmanr(x, y)
    return Correlation(float(result.statistic), float(result.pvalue), len(x))


def _paired_test(x: Floats, y: Floats) -> PairedTest:
    x, y = _both(x, y)
    if len(x) < 2 or np.ptp(x - y) == 0:
        return PairedTest(float("nan"), max(len(x) - 1, 0), float("nan"))
    result = stats.ttest_rel(x, y)
    return PairedTest(float(result.statistic), len(x) - 1, float(result.pvalue))
