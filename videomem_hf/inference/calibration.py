"""Prediction intervals from how far a model's predictions were from measured scores on clips it had not seen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from videomem_hf.run_files import PREDICTIONS_FILE, is_run_folder, read_predictions, read_results, score_column
from videomem_hf.schema import Horizon
from videomem_hf.statistics import conformal_quantile

LEVEL: Final = 0.9
"""Share of new clips whose measured score lies in these intervals."""


@dataclass(frozen=True)
class Calibration:
    """Half the width of the intervals, for each horizon that it is known for."""

    half_widths: dict[Horizon, float]

    def intervals(self, scores: dict[Horizon, float]) -> "dict[Horizon, tuple[float, float]] | None":
        """Give the interval about each score, within [0, 1]; None unless it is known for every horizon."""
        if not scores or scores.keys() - self.half_widths.keys():
            return None
        ends = {h: (score - self.half_widths[h], score + self.half_widths[h]) for h, score in scores.items()}
        return {h: (max(low, 0.0), min(high, 1.0)) for h, (low, high) in ends.items()}


def read_calibration(folder: Path, horizons: tuple[Horizon, ...]) -> Calibration:
    """Read the held-out predictions that a training run leaves beside its model; empty where there are none."""
    predictions = folder / PREDICTIONS_FILE
    if not is_run_folder(folder) or not predictions.is_file():
        return Calibration({})
    if read_results(folder).get("split") in (None, "train"):
        return Calibration({})
    _, columns = read_predictions(predictions)
    half_widths: dict[Horizon, float] = {}
    for horizon in horizons:
        measured, predicted = columns.get(horizon), columns.get(score_column(horizon))
        if measured is None or predicted is None:
            continue
        residuals = measured - predicted
        width = conformal_quantile(np.abs(residuals[np.isfinite(residuals)]), LEVEL)
        if width is not None:
            half_widths[horizon] = width
    return Calibration(half_widths)
