"""Predictors scored under a protocol: correlations, errors, pairs, the noise ceiling, calibration, groups of clips."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from scipy.stats import binom, linregress

from videomem_hf.benchmark.predictors import Coverage, Predictor, coverage
from videomem_hf.benchmark.protocols import Protocol
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.statistics import (
    BENCHMARK_RESAMPLES,
    CONFIDENCE,
    Floats,
    Resampled,
    holm,
    interval_of,
    noise_ceiling,
    noise_ceiling_interval,
    p_value_of_zero,
    resample,
    spearman,
)

FEWEST_IN_GROUP: Final = 10


@dataclass(frozen=True)
class Figure:
    """A figure with its confidence interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Of predictions: measured scores against predicted ones, and how many lie in their prediction intervals.

    Attributes:
        slope: Difference of measured scores between clips whose predictions differ by 1; 1 is calibrated.
        bias: Mean of predicted minus measured.
        level: What share of scores the intervals are meant to hold; None without intervals, like the next three.
        covered: The share that they hold.
        expected_low, expected_high: Where that share lies in 95 of 100 cases by chance.
    """

    slope: float
    bias: float
    level: float | None = None
    covered: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None


@dataclass(frozen=True)
class PredictorScore:
    """What a predictor reaches for one horizon; `folds` are its Spearman correlations, `share` that of the ceiling."""

    name: str
    spearman: Figure
    pearson: Figure
    rmse: Figure
    folds: list[float]
    share: float | None
    calibration: Calibration


@dataclass(frozen=True)
class PairScore:
    """Spearman of the first predictor minus that of the second; `better` is None where they cannot be told apart."""

    first: str
    second: str
    difference: Figure
    p_value: float
    p_value_holm: float
    better: str | None


@dataclass(frozen=True)
class GroupScore:
    """Spearman's correlation of each predictor on clips that have something in common."""

    kind: str
    name: str
    clips: int
    spearman: dict[str, float]


@dataclass(frozen=True)
class HorizonScore:
    """What came out for one horizon, on the clips that all of its predictors scored."""

    horizon: str
    clips: int
    ceiling: Figure | None
    predictors: list[PredictorScore]
    pairs: list[PairScore]
    groups: list[GroupScore] = field(default_factory=list)
    not_predicted_by: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ProtocolScore:
    """What came out under a protocol; `clips` are those of the first fold."""

    name: str
    words: str
    folds: int
    train_clips: int
    evaluation_clips: int
    coverage: dict[str, Coverage]
    horizons: list[HorizonScore]
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Clips of the ground truth that have something in common, such as a topic; `rows` are their positions."""

    kind: str
    name: str
    rows: np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How intervals are computed."""

    resamples: int = BENCHMARK_RESAMPLES
    confidence: float = CONFIDENCE
    seed: int = 0


def score_protocol(
    predictors: Sequence[Predictor],
    truth: GroundTruth,
    protocol: Protocol,
    groups: Sequence[Group] = (),
    sampling: Sampling | None = None,
) -> ProtocolScore:
    """Score predictors under a protocol, on the clips that all who predict a horizon have.

    Args:
        predictors: Of different names.
        truth, protocol: What is predicted, and which clips count.
        groups: Clips on which correlations are computed as well.
        sampling: Of the intervals.
    """
    found, notes = [], []
    for column, horizon in enumerate(truth.horizons):
        own = [each for each in predictors if np.isfinite(each.scores[:, column]).any()]
        there = np.isfinite(truth.scores[:, column])
        for each in own:
            there &= np.isfinite(each.scores[:, column])
        folds = [fold.evaluation[there[fold.evaluation]] for fold in protocol.folds]
        if not own or min(len(fold) for fold in folds) < 2:
            notes += [f"{horizon}: fewer than 2 clips of a fold were scored by all."] if own else []
            continue
        score = _score_horizon(own, truth, column, folds, groups, sampling or Sampling())
        score.not_predicted_by.extend(each.name for each in predictors if each not in own)
        found.append(score)
    first = protocol.folds[0]
    covered = {each.name: coverage(each, truth, protocol) for each in predictors}
    sizes = len(protocol.folds), len(first.train), len(first.evaluation)
    return ProtocolScore(protocol.name, protocol.words, *sizes, covered, found, " ".join(notes))


def _score_horizon(
    own: Sequence[Predictor],
    truth: GroundTruth,
    column: int,
    folds: Sequence[np.ndarray],
    groups: Sequence[Group],
    sampling: Sampling,
) -> HorizonScore:
    rows = np.unique(np.concatenate(folds))
    x = np.array([each.scores[rows, column] for each in own])
    y = truth.scores[rows, column]
    inside = [np.searchsorted(rows, fold) for fold in folds]
    drawn = resample(list(x), y, inside, resamples=sampling.resamples, seed=sampling.seed)
    ranks, squares = drawn["spearman"], drawn["mse"]
    roots = Resampled(np.sqrt(squares.values), np.sqrt(squares.draws))
    ceiling = _ceiling(y, truth.counts[rows, column], sampling)
    scores = [
        PredictorScore(
            each.name,
            spearman=mean_figure(ranks, row, sampling.confidence),
            pearson=mean_figure(drawn["pearson"], row, sampling.confidence),
            rmse=mean_figure(roots, row, sampling.confidence),
            folds=ranks.values[row].tolist(),
            share=_share(float(ranks.values[row].mean()), ceiling),
            calibration=_calibration(each, column, rows, x[row], y),
        )
        for row, each in enumerate(own)
    ]
    pairs = compare_pairs([each.name for each in own], ranks, sampling.confidence)
    by_group = []
    for group in groups:
        there = np.isin(rows, group.rows)
        if there.sum() >= FEWEST_IN_GROUP:
            values = {each.name: _spearman(x[row][there], y[there]) for row, each in enumerate(own)}
            by_group.append(GroupScore(group.kind, group.name, int(there.sum()), values))
    return HorizonScore(truth.horizons[column], len(rows), ceiling, scores, pairs, by_group)


def _spearman(x: Floats, y: Floats) -> float:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return spearman(x, y)


def mean_figure(found: Resampled, row: int, confidence: float) -> Figure:
    """The mean over folds of what a predictor reaches, with its interval; undefined resamples are left out."""
    return _figure(float(found.values[row].mean()), found.draws[row].mean(axis=0), confidence)


def _figure(value: float, draws: Floats, confidence: float) -> Figure:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        ends = interval_of(draws, confidence)
    return Figure(value, ends.low, ends.high)


def _ceiling(scores: Floats, counts: Floats, sampling: Sampling) -> Figure | None:
    known = np.nan_to_num(counts)
    value = noise_ceiling(scores, known)
    if not np.isfinite(value):
        return None
    ends = noise_ceiling_interval(
        scores, known, confidence=sampling.confidence, resamples=sampling.resamples, seed=sampling.seed
    )
    return Figure(value, ends.low, ends.high)


def _share(value: float, ceiling: Figure | None) -> float | None:
    return value / ceiling.value if ceiling and ceiling.value > 0 and np.isfinite(value) else None


def compare_pairs(names: Sequence[str], found: Resampled, confidence: float) -> list[PairScore]:
    """Every two predictors, the one before minus the one after; p-values are corrected for their number (Holm)."""
    means, draws = found.values.mean(axis=1), found.draws.mean(axis=1)
    pairs = list(combinations(range(len(names)), 2))
    apart = [draws[one] - draws[other] for one, other in pairs]
    p_values = [p_value_of_zero(each) for each in apart]
    level = round(1 - confidence, 9)
    scores = []
    for (one, other), each, p, q in zip(pairs, apart, p_values, holm(p_values), strict=True):
        figure = _figure(float(means[one] - means[other]), each, confidence)
        better = None if not q <= level else names[one if figure.value > 0 else other]  # NaN as well
        scores.append(PairScore(names[one], names[other], figure, p, float(q), better))
    return scores


def _calibration(predictor: Predictor, column: int, rows: np.ndarray, x: Floats, y: Floats) -> Calibration:
    slope = float(linregress(x, y).slope) if np.ptp(x) > 0 else float("nan")
    bias = float((x - y).mean())
    low, high = predictor.low[rows, column], predictor.high[rows, column]
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return Calibration(slope, bias)
    level, clips = predictor.given.level, int(known.sum())
    covered = float(((low <= y) & (y <= high))[known].mean())
    fewest, most = binom.interval(0.95, clips, level)
    return Calibration(slope, bias, level, covered, float(fewest / clips), float(most / clips))
