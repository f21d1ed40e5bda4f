"""Predicted against measured memorability."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import COLOURS
from videomem_hf.schema import HORIZON_NAMES, Horizon


def scatter_figure(scores: Mapping[Horizon, tuple[np.ndarray, np.ndarray]], titles: Mapping[Horizon, str]) -> Figure:
    """Draw one panel per horizon with one point per clip.

    Args:
        scores: For each horizon `(predicted, measured)`, both `(clips,)`; NaN in `measured` is left out.
        titles: What stands above each panel, such as the correlation.
    """
    figure = Figure(figsize=(4.4 * len(scores), 4.2), layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for axes, (horizon, (predicted, measured)) in zip(panels, scores.items(), strict=True):
        known = np.isfinite(measured)
        axes.scatter(predicted[known], measured[known], s=14, alpha=0.55, color=COLOURS[horizon], edgecolors="none")
        low, high = (f(np.r_[predicted[known], measured[known]]) for f in (np.min, np.max))
        axes.plot([low, high], [low, high], color="#888888", linewidth=1, linestyle=":", label="predicted = measured")
        axes.set_title(f"{HORIZON_NAMES[horizon]}: {titles[horizon]}", fontsize=10)
        axes.set(xlabel="predicted", ylabel="measured")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure
