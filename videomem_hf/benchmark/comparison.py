"""Predictors compared on the clips that all of them scored: correlations, paired differences, and which are real."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videomem_hf.benchmark.predicted_scores import PredictedScores, Scores
from videomem_hf.benchmark.scoring import Figure, PairScore, compare_pairs, mean_figure
from videomem_hf.schema import HORIZON_NAMES, Horizon, InputError, sort_horizons
from videomem_hf.statistics import CONFIDENCE, RESAMPLES, resample
from videomem_hf.system import quantity


@dataclass(frozen=True)
class HorizonComparison:
    """What came out for one horizon.

    Attributes:
        clips: How many all predictors scored.
        spearman: Predictor's name to its correlation with the measured scores.
        pairs: Every two predictors.
        missing: Predictors that do not predict it.
    """

    clips: int
    spearman: dict[str, Figure]
    pairs: list[PairScore]
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
        drawn = resample(columns, y, statistics=("spearman",), resamples=resamples)["spearman"]
        figures = {name: mean_figure(drawn, row, confidence) for row, name in enumerate(names)}
        found[horizon] = HorizonComparison(len(y), figures, compare_pairs(names, drawn, confidence), missing)
    if not found:
        raise InputError("no horizon is predicted by two of them; there is nothing to compare")
    return found
