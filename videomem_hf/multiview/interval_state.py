"""Prediction intervals of a multi-view model: fitted to its cross-validated predictions, kept in its buffers."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from videomem_hf.inference.intervals import IntervalFit, IntervalScale, fit_intervals
from videomem_hf.protocol.paper import PAPER
from videomem_hf.schema import HORIZONS

_TYPICAL_COUNTS: Final = tuple(PAPER[f"{horizon}_annotations"].value for horizon in HORIZONS)
"""Mean annotation counts of VideoMem's scores, for data without counts; a third horizon has the long-term one's."""
_EVERYTHING: Final = (-np.inf, np.inf)
_EVERY_LINE: Final = ((-1.0, 0.0), (1.0, 0.0))


def fit_horizons(predicted: np.ndarray, measured: np.ndarray, counts: np.ndarray, level: float) -> list[IntervalFit]:
    """Fit the intervals of each horizon; with too few clips they are [0, 1].

    All arrays are `(clips, horizons)`; `measured` is NaN where unknown. `level` is the share of them to cover.
    """
    fits = []
    for p, y, n in zip(predicted.T, measured.T, fill_counts(counts).T, strict=True):
        unknown = IntervalFit(IntervalScale(1.0), _EVERYTHING, _EVERY_LINE, 1 / float(np.mean(1 / n)), level)
        fits.append(fit_intervals(p, y, n, level) or unknown)
    return fits


def interval_state(fits: Sequence[Sequence[IntervalFit]]) -> dict[str, torch.Tensor]:
    """The buffers of `MultiViewModel` for the fits of each pattern of views and each horizon."""
    scales = [[fit.scale for fit in each] for each in fits]
    trends = [[(s.centre, s.width, s.shift, s.log_spread) for s in each] for each in scales]
    return {
        "noise_variance": torch.tensor([[s.variance for s in each] for each in scales]),
        "count_factors": torch.tensor([[s.count_factor for s in each] for each in scales]),
        "interval_trends": torch.tensor(trends),
        "interval_quantiles": torch.tensor([[fit.quantiles for fit in each] for each in fits]),
        "typical_lines": torch.tensor([[fit.lines for fit in each] for each in fits]),
        "typical_counts": torch.tensor([fit.typical_count for fit in fits[0]]),
    }


def fill_counts(counts: np.ndarray) -> np.ndarray:
    """Annotation counts `(clips, horizons)` with unknown ones set to the harmonic mean of the others, or VideoMem's."""
    filled = counts.copy()
    typical_counts = (*_TYPICAL_COUNTS, *[_TYPICAL_COUNTS[-1]] * filled.shape[1])
    for column, typical in zip(filled.T, typical_counts, strict=False):
        known = np.isfinite(column) & (column > 0)
        column[~known] = 1 / np.mean(1 / column[known]) if known.any() else typical
    return filled
