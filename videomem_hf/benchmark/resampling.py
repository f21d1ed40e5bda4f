"""Correlations and errors of several predictors on several folds, resampled together over the clips.

One resample draws clips of the whole evaluation set; every fold and every predictor sees the same draw. The interval of
a mean over folds therefore counts a clip that several folds share once, and differences between predictors are paired.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from videomem_hf.statistics import Floats, pearson, resample_counts, spearman, weighted_ranks

Measure = Literal["spearman", "pearson", "rmse"]
MEASURES: Final[tuple[Measure, ...]] = ("spearman", "pearson", "rmse")


@dataclass(frozen=True)
class Resampled:
    """What several predictors reach.

    Attributes:
        values: Measure to `(predictors, folds)`; the correlation of a constant is NaN.
        draws: Measure to `(predictors, resamples)`, means over the folds.
    """

    values: Mapping[Measure, Floats]
    draws: Mapping[Measure, Floats]


def resample_folds(
    predictions: Floats, measured: Floats, folds: Sequence[np.ndarray], *, resamples: int, seed: int = 0
) -> Resampled:
    """Measure predictors on folds, and resample the clips.

    Args:
        predictions: `(predictors, clips)`, finite.
        measured: `(clips,)`, finite.
        folds: Positions of each fold's clips, two or more of them.
        resamples: How many; the figures are a pure function of the clips and the seed.
    """
    values = {name: np.empty((len(predictions), len(folds))) for name in MEASURES}
    for number, fold in enumerate(folds):
        for row, x in enumerate(predictions):
            with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a constant: NaN
                values["spearman"][row, number] = spearman(x[fold], measured[fold])
                values["pearson"][row, number] = pearson(x[fold], measured[fold])
            values["rmse"][row, number] = np.sqrt(np.mean((x[fold] - measured[fold]) ** 2))
    chunks: list[Floats] = []
    for counts in resample_counts(len(measured), resamples, seed):
        each = [_measure(predictions[:, fold], measured[fold], counts[:, fold]) for fold in folds]
        chunks.append(np.mean(each, axis=0))
    drawn = np.concatenate(chunks, axis=2)
    return Resampled(values, dict(zip(MEASURES, drawn, strict=True)))


def _measure(x: Floats, y: Floats, counts: Floats) -> Floats:
    """The measures `(measures, predictors, resamples)` of one fold; `counts` is `(resamples, clips)`."""
    total = counts.sum(axis=1)
    found = np.empty((len(MEASURES), len(x), len(counts)))
    with np.errstate(divide="ignore", invalid="ignore"):
        y_ranks, y_norm = _centred(weighted_ranks(y, counts), counts, total)
        weighted = counts * y_ranks
        for row, values in enumerate(x):
            ranks, norm = _centred(weighted_ranks(values, counts), counts, total)
            found[0, row] = np.einsum("ri,ri->r", weighted, ranks) / (norm * y_norm)
        # Moments of centred values: no cancellation, and one matrix product for all predictors.
        a, b = x - x.mean(axis=1, keepdims=True), y - y.mean()
        means, mean = counts @ a.T / total[:, None], counts @ b / total
        squares, square = counts @ (a**2).T / total[:, None] - means**2, counts @ b**2 / total - mean**2
        products = counts @ (a * b).T / total[:, None] - means * mean[:, None]
        squares[squares <= 1e-20] = np.nan
        square[square <= 1e-20] = np.nan
        found[1] = (products / np.sqrt(squares * square[:, None])).T
        found[2] = np.sqrt(counts @ ((x - y) ** 2).T / total[:, None]).T
    return found


def _centred(ranks: Floats, counts: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Ranks minus their mean in each resample, and the root of their sum of squares; NaN where they do not vary."""
    ranks = ranks - (np.einsum("ri,ri->r", counts, ranks) / total)[:, None]
    squares = np.einsum("ri,ri,ri->r", counts, ranks, ranks)
    squares[squares <= 1e-9 * total] = np.nan
    return ranks, np.sqrt(squares)
