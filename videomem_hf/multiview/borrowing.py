"""From the outputs for all horizons to each score: the horizons borrow from each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from videomem_hf.statistics import spearman

CLEAR_GAIN: Final = 0.001
"""Gain of the held-out Spearman correlation below which the default stays."""
BORROWED: Final = (0.3, 1.0)
"""What a short- and a long-term score take of the other horizon's output, beside 1 of their own: memorability is
shared, and three times as many annotations are behind a short-term score."""
_OTHERS: Final = (0.0, 0.3, 1.0)
"""What they may take instead."""


@dataclass(frozen=True)
class Scoring:
    """Lines from the outputs of one pattern of views to standardised scores.

    Attributes:
        weights: `(horizons, horizons)`: of each output in each score, not negative.
        intercepts: `(horizons,)`.
        held_out: `(clips, horizons)`, predictions with weights fitted without the clip's fold.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    held_out: np.ndarray


def default_shares(horizons: int) -> np.ndarray:
    """Shares of each output in each score, `(horizons, horizons)`; of three or more, none borrows by default.

    One that measures forgetting or false alarms falls where others rise.
    """
    borrowed = BORROWED if horizons <= len(BORROWED) else (0.0,) * horizons
    return np.stack([_shares(horizon, borrowed[horizon], horizons) for horizon in range(horizons)])


def _shares(horizon: int, borrowed: float, horizons: int) -> np.ndarray:
    shares = np.full(horizons, borrowed)
    shares[horizon] = 1.0
    return shares


def fit_scoring(outputs: np.ndarray, values: np.ndarray, folds: Sequence[np.ndarray]) -> Scoring:
    """Fit the lines; a horizon borrows more or less than by default where that is clearly better on held-out clips.

    Args:
        outputs: `(clips, horizons)`, held out.
        values: `(clips, horizons)` standardised scores, NaN where unknown.
        folds: Indices of the clips of each fold.
    """
    clips, horizons = values.shape
    weights, intercepts, held_out = np.zeros((horizons, horizons)), np.zeros(horizons), np.zeros((clips, horizons))
    for horizon in range(horizons):
        y, known = values[:, horizon], np.isfinite(values[:, horizon])
        chosen = _choose_shares(outputs[known], y[known], horizon)
        combined = outputs @ chosen
        for fold in folds:
            rest = known.copy()
            rest[fold] = False
            slope, intercept = _fit_line(combined[rest], y[rest])
            held_out[fold, horizon] = slope * combined[fold] + intercept
        slope, intercepts[horizon] = _fit_line(combined[known], y[known])
        weights[horizon] = slope * chosen
    return Scoring(weights, intercepts, held_out)


def _choose_shares(outputs: np.ndarray, y: np.ndarray, horizon: int) -> np.ndarray:
    horizons = outputs.shape[1]
    chosen = default_shares(horizons)[horizon]
    best = spearman(outputs @ chosen, y)
    for borrowed in _OTHERS if horizons > 1 else ():
        shares = _shares(horizon, borrowed, horizons)
        quality = spearman(outputs @ shares, y)
        if clearly_better(quality, best):
            best, chosen = quality, shares
    return chosen


def clearly_better(quality: float, best: float, gain: float = CLEAR_GAIN) -> bool:
    """Whether a correlation is better than the best so far by more than `gain`; any is better than NaN."""
    return bool(quality > best + gain or (np.isnan(best) and not np.isnan(quality)))


def _fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope, not negative, and intercept."""
    centred = x - x.mean()
    slope = max(0.0, float(centred @ (y - y.mean())) / max(float(centred @ centred), 1e-12))
    return slope, float(y.mean() - slope * x.mean())
