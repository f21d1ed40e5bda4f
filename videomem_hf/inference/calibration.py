"""Prediction intervals (90 %) from how far a model's predictions were from measured scores on clips it had not seen."""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from videomem_hf.run_files import PREDICTIONS_FILE, RESULTS_FILE
from videomem_hf.schema import Horizon
from videomem_hf.statistics import conformal_quantile

LEVEL: Final = 0.9
"""Share of new clips whose measured score lies in the interval."""


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
    results, predictions = folder / RESULTS_FILE, folder / PREDICTIONS_FILE
    if not results.is_file() or not predictions.is_file():
        return Calibration({})
    if json.loads(results.read_text(encoding="utf-8")).get("split") in (None, "train"):
        return Calibration({})
    with predictions.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    half_widths: dict[Horizon, float] = {}
    for horizon in horizons:
        known = [(row.get(horizon), row.get(f"{horizon}_model")) for row in rows]
        pairs = [(float(measured), float(predicted)) for measured, predicted in known if measured and predicted]
        pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
        width = conformal_quantile([abs(measured - predicted) for measured, predicted in pairs], LEVEL)
        if math.isfinite(width):
            half_widths[horizon] = width
    return Calibration(half_widths)
