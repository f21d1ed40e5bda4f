"""Predictors compared on the clips that all of them scored: correlations, paired differences, and which are real."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videomem_hf.benchmark.predicted_scores import PredictedScores, Scores
from videomem_hf.schema import HORIZON_NAMES, Horizon, InputError, sort_horizons
from videomem_hf.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Comparison,
    Interval,
    bootstrap_interval,
    compare_all,
    holm,
    spearman,
)
from videomem_hf.system import quantity


@dataclass(frozen=True)
class Estimate:
    """Spearman's correlation of a predictor with the measured scores, and its confidence interval."""

    name: str
    spearman: float
    interval: Interval


@dataclass(frozen=True)
class Pair:
    """Two predictors.

    Attributes:
        first, second: Their names.
        comparison: Spearman's correlation of the first minus that of the second.
        corrected: The p-value, corrected for the number of pairs of this horizon (Holm).
        level: At most this corrected p-value tells the two apart.
    """

    first: str
    second: str
    comparison: Comparison
    corrected: float
    level: float

    @property
    def better(self) -> str | None:
        """The better predictor; None where the two cannot be told apart."""
        if not self.corrected <= self.level:  # NaN as well
            return None
        return self.first if self.comparison.difference > 0 else self.second


@dataclass(frozen=True)
class HorizonComparison:
    """What came out for one horizon, on `clips` clips; `missing` are the predictors that do not predict it."""

    clips: int
    estimates: list[Estimate]
    pairs: list[Pair]
    missing: list[str]


def compare_predictors(
    predictors: Sequence[PredictedScores],
    measured: Scores,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> dict[Horizon, HorizonComparison]:
    """Compare predictors on the clips that all of them scored and that have a measured score.

    Args:
        predictors: Two or more, of different names.
        measured: Measured scores.
        confidence: Coverage of the intervals; 1 minus it is the level of the verdicts.
        resamples: Bootstrap resamples of clips, the same for all predictors.

    Returns:
        For each horizon that two or more predict, and that has measured scores if another one has.

    Raises:
        InputError: There is no such horizon, or it has fewer than two clips that all of them scored.
    """
    found: dict[Horizon, HorizonComparison] = {}
    known = [each for each in measured if measured[each]]
    for horizon in sort_horizons(known or dict.fromkeys(each for one in predictors for each in one.predicted)):
        own = [each for each in predictors if each.predicted.get(horizon)]
        if len(own) < 2:
            continue
        missing = [each.name for each in predictors if each not in own]
        clips = sorted(set(measured.get(horizon, ())).intersection(*(each.predicted[horizon] for each in own)))
        if len(clips) < 2:
            counts = ", ".join(f"{each.name} ({len(each.predicted[horizon])})" for each in own)
            raise InputError(
                f"{quantity(len(clips), 'clip')} with a measured {HORIZON_NAMES[horizon]} score and predictions by all "
                f"of {counts}; 2 are needed. Compare on a split that none was trained on, with --data and --split, or "
                "give tables with measured scores"
            )
        y = np.array([measured[horizon][clip] for clip in clips])
        columns = [np.array([each.predicted[horizon][clip] for clip in clips]) for each in own]
        names = [each.name for each in own]
        found[horizon] = _compare(names, columns, y, missing, confidence, resamples)
    if not found:
        raise InputError("no horizon is predicted by two of them; there is nothing to compare")
    return found


def _compare(
    names: list[str],
    columns: list[np.ndarray],
    y: np.ndarray,
    missing: list[str],
    confidence: float,
    resamples: int,
) -> HorizonComparison:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a constant has no correlation: NaN
        estimates = [
            Estimate(name, spearman(x, y), bootstrap_interval(x, y, confidence=confidence, resamples=resamples))
            for name, x in zip(names, columns, strict=True)
        ]
        compared = compare_all(columns, y, confidence=confidence, resamples=resamples)
    corrected = holm([each.p_value for each in compared.values()])
    pairs = [
        Pair(names[first], names[second], each, float(p), round(1 - confidence, 9))
        for ((first, second), each), p in zip(compared.items(), corrected, strict=True)
    ]
    return HorizonComparison(len(y), estimates, pairs, missing)
