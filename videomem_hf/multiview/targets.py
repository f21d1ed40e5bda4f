"""What the kernel ridge models are fitted to: standardised scores, their ranks, and the noise of each clip."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm, rankdata

_NOISE_FLOOR: Final = 0.4
"""Part of the noise that does not shrink with more annotations: the true memorability that no view explains."""


@dataclass(frozen=True)
class Targets:
    """Targets of the fit.

    Attributes:
        means, stds: `(horizons,)` of the training scores.
        values: `(clips, horizons)` float64 standardised scores, NaN where unknown.
        ranks: The same shape: ranks of the scores as quantiles of a normal distribution.
        noise: `(clips,)` with mean 1: noise variance of a clip relative to the others, by its annotation counts.
    """

    means: np.ndarray
    stds: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    noise: np.ndarray


def make_targets(scores: np.ndarray, counts: np.ndarray | None) -> Targets:
    """Standardise scores `(clips, horizons)`; `counts` are their annotation counts, NaN where unknown."""
    means, stds = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
    stds = np.where(stds > 0, stds, 1.0)
    ranks = np.full(scores.shape, np.nan)
    for column, values in enumerate(scores.T):
        known = np.isfinite(values)
        ranks[known, column] = norm.ppf((rankdata(values[known]) - 0.5) / known.sum())
    return Targets(means, stds, (scores - means) / stds, ranks, relative_noise(counts, len(scores)))


def relative_noise(counts: np.ndarray | None, clips: int) -> np.ndarray:
    """Noise variance of each clip relative to the mean, `(clips,)`: falls with its annotation counts to a floor."""
    if counts is None:
        return np.ones(clips)
    inverse = np.ma.masked_invalid(1 / np.where(counts > 0, counts, np.nan))
    relative = (inverse / inverse.mean(axis=0)).filled(1.0).mean(axis=1)
    return _NOISE_FLOOR + (1 - _NOISE_FLOOR) * relative
