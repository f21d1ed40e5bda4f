"""How the outputs of solved machines are weighed for each horizon, and how far measured scores then lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.optimize import nnls

from videomem_hf.models.modeling_multiview import interval_scale
from videomem_hf.multiview.kernel_search import CLEAR_GAIN, correlation_of
from videomem_hf.statistics import conformal_quantile

BORROWED: Final = 0.5
"""Of a long-term prediction, the part of its short-term machine: short-term scores rest on three times the answers."""
_TYPICAL_COUNTS: Final = {"short_term": 38.0, "long_term": 13.0}
"""Mean annotations behind VideoMem's released scores (paper, Sec. 3.3): for data without counts."""
_SHRINKAGE: Final = 0.02
"""Ridge of the stack, towards the plain weights, as a share of the outputs' squares."""


@dataclass(frozen=True)
class Stack:
    """Weights of outputs.

    Attributes:
        weights: `(horizons, outputs)`, not negative; outputs are machines times horizons.
        intercepts: `(horizons,)`.
        held_out: `(clips, horizons)`, predictions whose weights and machines were found without the clip's fold.
        stacked: For each horizon, whether it is a stack rather than the fused machine alone.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    held_out: np.ndarray
    stacked: tuple[bool, ...]


def fit_stack(
    outputs: np.ndarray, values: np.ndarray, fused: int, others: Sequence[int], folds: Sequence[np.ndarray]
) -> Stack:
    """Weigh the outputs of a pattern's machines.

    The plain prediction is the fused machine's, half of it the short-term one for long-term scores. Non-negative
    weights over the fused machine and others take its place where held-out clips say so.

    Args:
        outputs: `(clips, machines, horizons)`, held out.
        values: `(clips, horizons)` standardised scores, NaN where unknown.
        fused: The machine of all views of the pattern.
        others: Further machines, those of single views.
        folds: Clips of each fold.
    """
    clips, machines, horizons = outputs.shape
    flat = outputs.reshape(clips, -1)
    weights, intercepts = np.zeros((horizons, machines * horizons)), np.zeros(horizons)
    held_out, stacked = np.zeros((clips, horizons)), []
    allowed = sorted({machine * horizons + h for machine in (fused, *others) for h in range(horizons)})
    for horizon in range(horizons):
        plain = np.zeros(machines * horizons)
        plain[fused * horizons + horizon] = 1.0
        if horizons == 2 and horizon == 1:
            plain[[fused * horizons, fused * horizons + 1]] = BORROWED, 1 - BORROWED
        y = values[:, horizon]
        candidates = [_cross_fitted(flat, y, plain, None, folds)]
        if len(allowed) > 1:
            candidates.append(_cross_fitted(flat, y, plain, allowed, folds))
        qualities = [_quality(found, y) for found, _, _ in candidates]
        choice = int(len(candidates) > 1 and qualities[1] > qualities[0] + CLEAR_GAIN / 2)
        held_out[:, horizon], weights[horizon], intercepts[horizon] = candidates[choice]
        stacked.append(bool(choice))
    return Stack(weights, intercepts, held_out, tuple(stacked))


def _quality(predicted: np.ndarray, measured: np.ndarray) -> float:
    return float(correlation_of(predicted[:, None], measured[:, None])[0])


def _cross_fitted(
    flat: np.ndarray, y: np.ndarray, plain: np.ndarray, allowed: Sequence[int] | None, folds: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Predictions of each fold by weights found on the others; and the weights and the intercept of all clips."""
    known = np.isfinite(y)
    held_out = np.zeros(len(y))
    for fold in folds:
        rest = known.copy()
        rest[fold] = False
        weights, intercept = _weights(flat[rest], y[rest], plain, allowed)
        held_out[fold] = flat[fold] @ weights + intercept
    return held_out, *_weights(flat[known], y[known], plain, allowed)


def _weights(
    flat: np.ndarray, y: np.ndarray, plain: np.ndarray, allowed: Sequence[int] | None
) -> tuple[np.ndarray, float]:
    """Scale the plain weights to the scores, or find non-negative ones near them."""
    base = flat @ plain
    centred, mean = base - base.mean(), y.mean()
    slope = max(0.0, float(centred @ (y - mean)) / max(float(centred @ centred), 1e-12))
    weights = slope * plain
    if allowed is not None:
        x = flat[:, list(allowed)] - flat[:, list(allowed)].mean(axis=0)
        pull = np.sqrt(_SHRINKAGE * (x**2).sum(axis=0).mean())
        rows = np.concatenate([x, pull * np.eye(len(allowed))])
        found, _ = nnls(rows, np.concatenate([y - mean, pull * weights[list(allowed)]]))
        weights = np.zeros(len(plain))
        weights[list(allowed)] = found
    return weights, float(mean - flat.mean(axis=0) @ weights)


@dataclass(frozen=True)
class IntervalScale:
    """What intervals are made of, for each horizon.

    Attributes:
        noise_variance: `(horizons,)`: variance of what no view explains of true memorability.
        quantiles: `(horizons, 2)` of the errors over their expected size.
    """

    noise_variance: np.ndarray
    quantiles: np.ndarray


def interval_scale_of(predicted: np.ndarray, measured: np.ndarray, counts: np.ndarray, level: float) -> IntervalScale:
    """Conformal intervals from held-out errors, each over its expected size given the clip's answers.

    The ends are the `(n + 1) (1 - level) / 2`-th smallest and largest of the errors: no distribution is assumed, and
    the two sides differ, as scores lie near 1. See Romano et al., "Conformalized Quantile Regression" (2019), for
    the asymmetric form.

    Args:
        predicted: `(clips, horizons)`, held out, in [0, 1].
        measured: `(clips, horizons)`, NaN where unknown.
        counts: `(clips, horizons)`, answers.
        level: Share of measured scores to cover.
    """
    horizons = predicted.shape[1]
    variance, quantiles = np.zeros(horizons), np.zeros((horizons, 2))
    for horizon in range(horizons):
        known = np.isfinite(measured[:, horizon])
        errors = measured[known, horizon] - predicted[known, horizon]
        inside = np.clip(predicted[known, horizon], 0.02, 0.98)
        binomial = inside * (1 - inside) / counts[known, horizon]
        variance[horizon] = max(0.0, float(np.mean(errors**2 - binomial)), 1e-3 * float(np.mean(errors**2)))
        shown, answers = (torch.from_numpy(each[known, horizon]) for each in (predicted, counts))
        scale = interval_scale(shown, answers, torch.tensor(variance[horizon])).numpy()
        ratios = errors / scale
        ends = (conformal_quantile(side, (1 + level) / 2) for side in (-ratios, ratios))
        low, high = (side.max() if end is None else end for end, side in zip(ends, (-ratios, ratios), strict=True))
        quantiles[horizon] = -low, high
    return IntervalScale(variance, quantiles)


def typical_answers(answers: np.ndarray, horizons: int) -> np.ndarray:
    """Counts `(clips, horizons)` with those that are not known put at the mean of the others, or at VideoMem's."""
    filled = answers.copy()
    for column in range(horizons):
        known = np.isfinite(filled[:, column]) & (filled[:, column] > 0)
        usual = filled[known, column].mean() if known.any() else list(_TYPICAL_COUNTS.values())[column]
        filled[~known, column] = usual
    return filled
