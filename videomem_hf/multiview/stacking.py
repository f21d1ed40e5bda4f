"""Stack weights of the kernel ridge models for each horizon."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls

from videomem_hf.multiview.kernel_search import CLEAR_GAIN, clearly_better
from videomem_hf.statistics import spearman

SHORT_TERM_SHARE: Final = 0.5
"""Weight of the short-term output in a long-term prediction: three times the annotations are behind its scores."""
_SHRINKAGE: Final = 0.02
"""Ridge of the stack towards the default weights, as a share of the outputs' squares."""


@dataclass(frozen=True)
class Stack:
    """Weights of the components' outputs.

    Attributes:
        weights: `(horizons, components * horizons)`, not negative.
        intercepts: `(horizons,)`.
        held_out: `(clips, horizons)`, predictions with components and weights fitted without the clip's fold.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    held_out: np.ndarray


def fit_stack(
    outputs: np.ndarray, values: np.ndarray, main: int, others: Sequence[int], folds: Sequence[np.ndarray]
) -> Stack:
    """Fit the stack weights of a pattern of views.

    By default a prediction is the main component's output; of a long-term one, half is its short-term output.
    Non-negative weights over the main component and others replace it where that is better on held-out clips.

    Args:
        outputs: `(clips, components, horizons)`, held out.
        values: `(clips, horizons)` standardised scores, NaN where unknown.
        main: Index of the component of all views of the pattern.
        others: Indices of further components, those of single views.
        folds: Indices of the clips of each fold.
    """
    clips, components, horizons = outputs.shape
    flat, held_out = outputs.reshape(clips, -1), np.zeros((clips, horizons))
    weights, intercepts = np.zeros((horizons, components * horizons)), np.zeros(horizons)
    allowed = sorted({component * horizons + h for component in (main, *others) for h in range(horizons)})
    for horizon in range(horizons):
        default = np.zeros(components * horizons)
        default[main * horizons + horizon] = 1.0
        if horizons == 2 and horizon == 1:
            default[[main * horizons, main * horizons + 1]] = SHORT_TERM_SHARE, 1 - SHORT_TERM_SHARE
        y = values[:, horizon]
        candidates = [_cross_fit(flat, y, default, None, folds)]
        if len(allowed) > 1:
            candidates.append(_cross_fit(flat, y, default, allowed, folds))
        known = np.isfinite(y)
        qualities = [spearman(predicted[known], y[known]) for predicted, _, _ in candidates]
        choice = int(len(candidates) > 1 and clearly_better(qualities[1], qualities[0], CLEAR_GAIN / 2))
        held_out[:, horizon], weights[horizon], intercepts[horizon] = candidates[choice]
    return Stack(weights, intercepts, held_out)


def _cross_fit(
    flat: np.ndarray, y: np.ndarray, default: np.ndarray, allowed: Sequence[int] | None, folds: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Predictions of each fold with weights fitted on the others; and the weights and intercept fitted on all clips."""
    known = np.isfinite(y)
    held_out = np.zeros(len(y))
    for fold in folds:
        rest = known.copy()
        rest[fold] = False
        weights, intercept = _fit_weights(flat[rest], y[rest], default, allowed)
        held_out[fold] = flat[fold] @ weights + intercept
    return held_out, *_fit_weights(flat[known], y[known], default, allowed)


def _fit_weights(
    flat: np.ndarray, y: np.ndarray, default: np.ndarray, allowed: Sequence[int] | None
) -> tuple[np.ndarray, float]:
    """Scale the default weights to the scores, or fit non-negative ones near them."""
    base = flat @ default
    centred, mean = base - base.mean(), y.mean()
    slope = max(0.0, float(centred @ (y - mean)) / max(float(centred @ centred), 1e-12))
    weights = slope * default
    if allowed is not None:
        x = flat[:, list(allowed)] - flat[:, list(allowed)].mean(axis=0)
        pull = np.sqrt(_SHRINKAGE * (x**2).sum(axis=0).mean())
        rows = np.concatenate([x, pull * np.eye(len(allowed))])
        fitted, _ = nnls(rows, np.concatenate([y - mean, pull * weights[list(allowed)]]))
        weights = np.zeros(len(default))
        weights[list(allowed)] = fitted
    return weights, float(mean - flat.mean(axis=0) @ weights)
